import type { Api } from './api.ts';
import { brokerError } from './error-codes.ts';
import type { NewTopic } from './kafka.ts';
import type { ProtocolReader } from './protocol-reader.ts';

/** Of the one topic that each of these requests is about; all behind the message is skipped. */
function readOutcome(
  reader: ProtocolReader,
  hasMessage: boolean,
  what: string,
  topic: string,
): void {
  const code = reader.int16();
  const message = hasMessage ? reader.nullableString() : null;
  if (code !== 0) throw brokerError(code, what, { topic, message });
}

function readCount(reader: ProtocolReader): void {
  const count = reader.flexible ? reader.uvarint() - 1 : reader.int32();
  if (count !== 1) throw brokerError(-1, `an answer about ${count} topics instead of one`);
}

/**
 * Answers the topic's id; null where the broker is too old to tell (before 2.8).
 *
 *   request  := [name · partitions i32 · factor i16 · [assignment] · [name · value?]]
 *               · timeoutMs i32 · validateOnly bool
 *   response := throttle i32 · [name · v7+ topicId · error i16 · message? · …]
 */
export const createTopics = (topic: NewTopic, timeoutMs: number): Api<string | null> => ({
  key: 19,
  name: 'CreateTopics',
  versions: [2, 7],
  flexibleFrom: 5,
  encode: (writer) => {
    writer.array([topic], ({ topic: name, partitions, replicationFactor, configs }) => {
      writer.string(name);
      writer.int32(partitions);
      writer.int16(replicationFactor);
      writer.array([], () => {});
      writer.array(Object.entries(configs), ([key, value]) => {
        writer.string(key);
        writer.nullableString(value);
        writer.tags();
      });
      writer.tags();
    });
    writer.int32(timeoutMs);
    writer.boolean(false);
    writer.tags();
  },
  decode: (reader, version) => {
    reader.int32();
    readCount(reader);
    reader.string();
    const id = version >= 7 ? reader.uuid() : null;
    readOutcome(reader, true, 'creating the topic', topic.topic);
    return id;
  },
});

/**
 *   request  := [name] · timeoutMs i32
 *   response := throttle i32 · [name · error i16 · v5+ message?]
 */
export const deleteTopics = (topic: string, timeoutMs: number): Api<void> => ({
  key: 20,
  name: 'DeleteTopics',
  versions: [1, 5],
  flexibleFrom: 4,
  encode: (writer) => {
    writer.array([topic], (name) => writer.string(name));
    writer.int32(timeoutMs);
    writer.tags();
  },
  decode: (reader, version) => {
    reader.int32();
    readCount(reader);
    reader.string();
    readOutcome(reader, version >= 5, 'deleting the topic', topic);
  },
});

/**
 *   request  := [name · count i32 · [assignment]?] · timeoutMs i32 · validateOnly bool
 *   response := throttle i32 · [name · error i16 · message?]
 */
export const createPartitions = (topic: string, count: number, timeoutMs: number): Api<void> => ({
  key: 37,
  name: 'CreatePartitions',
  versions: [0, 3],
  flexibleFrom: 2,
  encode: (writer) => {
    writer.array([topic], (name) => {
      writer.string(name);
      writer.int32(count);
      writer.array(null, () => {});
      writer.tags();
    });
    writer.int32(timeoutMs);
    writer.boolean(false);
    writer.tags();
  },
  decode: (reader) => {
    reader.int32();
    readCount(reader);
    reader.string();
    readOutcome(reader, true, `growing the topic to ${count} partitions`, topic);
  },
});
