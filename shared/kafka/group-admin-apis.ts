import type { Api } from './api.ts';
import { brokerError } from './error-codes.ts';
import type { GroupInfo } from './kafka.ts';
import type { ProtocolReader } from './protocol-reader.ts';

/**
 * Those that the asked broker coordinates.
 *
 *   request  := v4+ [state]
 *   response := throttle i32 · error i16 · [group · protocolType · v4+ state]
 */
export const listGroups: Api<{ groupId: string; protocolType: string }[]> = {
  key: 16,
  name: 'ListGroups',
  versions: [1, 4],
  flexibleFrom: 3,
  encode: (writer, version) => {
    if (version >= 4) writer.array([], () => {});
    writer.tags();
  },
  decode: (reader, version) => {
    reader.int32();
    const code = reader.int16();
    if (code !== 0) throw brokerError(code, 'listing groups');
    return reader.array(() => {
      const group = { groupId: reader.string(), protocolType: reader.string() };
      if (version >= 4) reader.string();
      reader.tags();
      return group;
    });
  },
};

/**
 * A group of the classic protocol; others, and those that are not there, are `Dead`.
 *
 *   request  := [group] · v3+ operations bool
 *   response := throttle i32 · [error i16 · group · state · protocolType · protocol · [member]
 *               · v3+ operations i32]
 *   member   := id · v4+ instance? · clientId · host · metadata bytes · assignment bytes
 */
export const describeGroup = (group: string): Api<GroupInfo> => ({
  key: 15,
  name: 'DescribeGroups',
  versions: [1, 5],
  flexibleFrom: 5,
  encode: (writer, version) => {
    writer.array([group], (id) => writer.string(id));
    if (version >= 3) writer.boolean(false);
    writer.tags();
  },
  decode: (reader, version) => {
    reader.int32();
    return one(
      group,
      reader.array(() => {
        const code = reader.int16();
        const groupId = reader.string();
        if (code !== 0) throw brokerError(code, `describing group ${groupId}`);
        const state = reader.string();
        const protocolType = reader.string();
        reader.string();
        const members = reader.array(() => readMember(reader, version));
        if (version >= 3) reader.int32();
        reader.tags();
        return { groupId, state, protocolType, members };
      }),
    );
  },
});

function readMember(reader: ProtocolReader, version: number): GroupInfo['members'][number] {
  const memberId = reader.string();
  if (version >= 4) reader.nullableString();
  const member = { memberId, clientId: reader.string(), host: reader.string() };
  reader.blob();
  reader.blob();
  reader.tags();
  return member;
}

/**
 * A group of the newer protocol (KIP-848), which DescribeGroups does not show; null: there is none.
 *
 *   request  := [group] · operations bool
 *   response := throttle i32 · [error i16 · message? · group · state · epoch i32
 *               · assignmentEpoch i32 · assignor · [member] · operations i32]
 *   member   := id · instance? · rack? · epoch i32 · clientId · host · [topic] · pattern?
 *               · assignment · target · v1+ type i8
 *   assignment := [topicId · topic · [partition i32]]
 */
export const describeConsumerGroup = (group: string): Api<GroupInfo | null> => ({
  key: 69,
  name: 'ConsumerGroupDescribe',
  versions: [0, 1],
  flexibleFrom: 0,
  encode: (writer) => {
    writer.array([group], (id) => writer.string(id));
    writer.boolean(false);
    writer.tags();
  },
  decode: (reader, version) => {
    reader.int32();
    return one(
      group,
      reader.array(() => readConsumerGroup(reader, version)),
    );
  },
});

function readConsumerGroup(reader: ProtocolReader, version: number): GroupInfo | null {
  const code = reader.int16();
  const message = reader.nullableString();
  const groupId = reader.string();
  const state = reader.string();
  reader.int32();
  reader.int32();
  reader.string();
  const members = reader.array(() => readConsumerMember(reader, version));
  reader.int32();
  reader.tags();
  if (code === 0) return { groupId, state, protocolType: 'consumer', members };
  const error = brokerError(code, `describing group ${groupId}`, { message });
  if (error.kafkaCode === 'GROUP_ID_NOT_FOUND') return null;
  throw error;
}

function readConsumerMember(reader: ProtocolReader, version: number): GroupInfo['members'][number] {
  const memberId = reader.string();
  reader.nullableString();
  reader.nullableString();
  reader.int32();
  const member = { memberId, clientId: reader.string(), host: reader.string() };
  reader.array(() => reader.string());
  reader.nullableString();
  skipAssignment(reader);
  skipAssignment(reader);
  if (version >= 1) reader.int8();
  reader.tags();
  return member;
}

function skipAssignment(reader: ProtocolReader): void {
  reader.array(() => {
    reader.uuid();
    reader.string();
    reader.array(() => reader.int32());
    reader.tags();
  });
  reader.tags();
}

/**
 *   request  := [group]
 *   response := throttle i32 · [group · error i16]
 */
export const deleteGroup = (group: string): Api<void> => ({
  key: 42,
  name: 'DeleteGroups',
  versions: [0, 2],
  flexibleFrom: 2,
  encode: (writer) => {
    writer.array([group], (id) => writer.string(id));
    writer.tags();
  },
  decode: (reader) => {
    reader.int32();
    reader.array(() => {
      const groupId = reader.string();
      const code = reader.int16();
      reader.tags();
      if (code !== 0) throw brokerError(code, `deleting group ${groupId}`);
    });
  },
});

function one<T>(group: string, found: readonly T[]): T {
  if (found.length === 1) return found[0]!;
  throw brokerError(-1, `an answer about ${found.length} groups instead of ${group}`);
}
