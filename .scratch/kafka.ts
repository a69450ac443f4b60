import { writeFileSync } from 'node:fs';
import { startKafka } from '../test/kafka/kafka.ts';
import { javaWrite } from '../test/kafka/clients.ts';
const kafka = await startKafka({ heapMb: 512 });
for (const [name, compression, partitions, bytes, count] of [['none1','none',1,100,1e6],['zstd1','zstd',1,100,1e6],['none10','none',10,100,1e6],['kib1','none',1,1024,2e5]] as const) {
  await javaWrite(kafka.bootstrap, [{ do: 'create', topic: name, partitions }, { do: 'generate', topic: name, count, bytes, keys: 1000 }], { 'compression.type': compression, 'linger.ms': '20', 'batch.size': '131072' });
}
writeFileSync('/tmp/ksource-bench/bootstrap', kafka.bootstrap);
console.log(kafka.bootstrap, process.pid);
setInterval(() => {}, 1e6);
