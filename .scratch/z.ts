import { constants, createZstdCompress, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
const rec = () => Buffer.from(`x${Math.random().toString(36)}${'abcdef'.repeat(10)}tributary.alias factory-a tributary.topic orders tributary.epoch 0123456789abcdef tributary.sequence ${Math.floor(Math.random()*1e6)}`);
const data = Buffer.concat(Array.from({ length: 2200 }, rec)); console.log(data.length);
const bound = data.length + (data.length >> 8) + 1024;
const N = 500;
function run(name: string, f: () => Uint8Array) { f(); const c = process.cpuUsage(); const t = performance.now(); let out: any; for (let i = 0; i < N; i++) out = f(); const u = process.cpuUsage(c); console.log(name, out.length, ((u.user + u.system) / 1e3 / N).toFixed(3), 'ms cpu each', ((performance.now() - t) / N).toFixed(3), zstdDecompressSync(out).equals(data)); }
run('sync', () => zstdCompressSync(data, { params: { [constants.ZSTD_c_compressionLevel]: 1 }, pledgedSrcSize: data.length, chunkSize: bound } as object));
for (const level of [-5, -1, 1,2,3]) run('level '+level, () => zstdCompressSync(data, { params: { [constants.ZSTD_c_compressionLevel]: level }, pledgedSrcSize: data.length, chunkSize: bound } as object));
const packed = zstdCompressSync(data);
function rund(name: string, f: () => Uint8Array) { const c = process.cpuUsage(); for (let i = 0; i < N; i++) f(); const u = process.cpuUsage(c); console.log(name, ((u.user + u.system) / 1e3 / N).toFixed(3)); }
rund('inflate 16k', () => zstdDecompressSync(packed, { maxOutputLength: 128<<20, info: true } as object));
rund('inflate 1M', () => zstdDecompressSync(packed, { maxOutputLength: 128<<20, info: true, chunkSize: 1<<20 } as object));
rund('inflate 256k', () => zstdDecompressSync(packed, { maxOutputLength: 128<<20, info: true, chunkSize: 256<<10 } as object));
