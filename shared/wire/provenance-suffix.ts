import { aliasProblem } from './alias.ts';
import { type Provenance, provenanceHeaders } from './record.ts';
import { topicProblem } from './topic-name.ts';
import { varintSize, writeVarint } from './varint.ts';

/**
 * The four provenance headers as the bytes that end a record:
 *
 *   suffix := header(alias) header(topic) header(epoch) header(sequence)
 *   header := varint(name length) name varint(value length) value
 *
 * Only the sequence changes from record to record, so sealing copies these bytes and central's
 * check compares them; `advance` counts the decimal digits up in place.
 */
export class ProvenanceSuffix {
  bytes: Uint8Array;
  private sequence: number;
  private readonly fixed: Uint8Array;

  constructor(provenance: Provenance) {
    const { alias, topic, epoch, firstSequence } = provenance;
    this.fixed = Buffer.concat([
      header(provenanceHeaders.alias, alias),
      header(provenanceHeaders.topic, topic),
      header(provenanceHeaders.epoch, epoch),
    ]);
    this.sequence = firstSequence;
    this.bytes = this.rebuild();
  }

  /** Goes on to the next record's sequence. */
  advance(): void {
    this.sequence += 1;
    let at = this.bytes.length - 1;
    // 0x39 is '9': carry to the digit before. Left of the digits stands their length, never a '9'.
    while (this.bytes[at] === 0x39) this.bytes[at--] = 0x30;
    const digit = this.bytes[at]!;
    if (digit >= 0x30 && digit < 0x39) {
      this.bytes[at] = digit + 1;
      return;
    }
    this.bytes = this.rebuild();
  }

  private rebuild(): Uint8Array {
    return Buffer.concat([this.fixed, header(provenanceHeaders.sequence, String(this.sequence))]);
  }
}

/** Why `provenance` cannot be that of `count` records; undefined when it can. */
export function provenanceProblem(provenance: Provenance, count: number): string | undefined {
  const { alias, topic, epoch, firstSequence } = provenance;
  const aliasIssue = aliasProblem(alias);
  if (aliasIssue) return `alias "${alias}" ${aliasIssue}`;
  const topicIssue = topicProblem(topic);
  if (topicIssue) return `topic "${topic}" ${topicIssue}`;
  if (!/^[0-9a-f]{32}$/.test(epoch)) return `epoch "${epoch}" is not 32 hexadecimal digits`;
  if (firstSequence < 0 || !Number.isSafeInteger(firstSequence + count)) {
    return `first sequence ${firstSequence} is not one`;
  }
  return undefined;
}

/** Headers that every sealed record has more than the record itself. */
export const provenanceHeaderCount = 4;

/** The most bytes that {@link ProvenanceSuffix} takes for any sequence. */
export function provenanceSizeMax(provenance: { alias: string; topic: string }): number {
  const { alias, topic } = provenance;
  return fixedSize + Buffer.byteLength(alias) + Buffer.byteLength(topic);
}

/** Names, 9 length bytes (two for a long topic), 32 digits of epoch, 16 of a safe integer. */
const fixedSize = Object.values(provenanceHeaders).join('').length + 9 + 32 + 16;

function header(name: string, value: string): Buffer {
  const nameSize = Buffer.byteLength(name);
  const valueSize = Buffer.byteLength(value);
  const bytes = Buffer.alloc(varintSize(nameSize) + nameSize + varintSize(valueSize) + valueSize);
  let at = writeVarint(bytes, 0, nameSize);
  at += bytes.write(name, at);
  at = writeVarint(bytes, at, valueSize);
  bytes.write(value, at);
  return bytes;
}
