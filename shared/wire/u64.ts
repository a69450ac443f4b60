/** Unsigned 64 bits, big-endian, of which only the safe integers are used. */

export function writeU64(bytes: Buffer, value: number, position: number): void {
  bytes.writeUInt32BE(Math.floor(value / 0x1_0000_0000), position);
  bytes.writeUInt32BE(value % 0x1_0000_0000, position + 4);
}

/** Not a safe integer where the bytes are none; whoever checks the field refuses it. */
export const readU64 = (bytes: Buffer, position: number): number =>
  bytes.readUInt32BE(position) * 0x1_0000_0000 + bytes.readUInt32BE(position + 4);
