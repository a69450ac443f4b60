/**
 * What a member tells the group about itself (protocol type `tributary`, so ours to define).
 *
 *   metadata := version u8 (1) · joins u32 · text, UTF-8
 */
const version = 1;
const headBytes = 5;

export interface MemberMetadata {
  /** How often the member asked for a new assignment: a change makes the group assign anew. */
  joins: number;
  metadata: string;
}

export function writeMemberMetadata({ joins, metadata }: MemberMetadata): Buffer {
  const head = Buffer.alloc(headBytes);
  head[0] = version;
  head.writeUInt32BE(joins % 2 ** 32, 1);
  return Buffer.concat([head, Buffer.from(metadata)]);
}

/** Whatever else a member of the group sent comes out as its text, for the leader to judge. */
export function readMemberMetadata(bytes: Buffer): MemberMetadata {
  if (bytes.length < headBytes || bytes[0] !== version) {
    return { joins: 0, metadata: bytes.toString() };
  }
  return { joins: bytes.readUInt32BE(1), metadata: bytes.toString('utf8', headBytes) };
}
