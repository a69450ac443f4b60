import type { Api } from './api.ts';
import { brokerError, kafkaErrorName } from './error-codes.ts';
import type { GroupMember, JoinAnswer, JoinRequest } from './group-coordinator.ts';

/**
 * The classic group protocol (KIP-62; JoinGroupRequest.json and its neighbours in Kafka's sources)
 * in the newest version that is not flexible yet: in every broker from 2.3 to 4.x. Members are
 * dynamic (no instance id).
 */

/** Keeps members of other kinds of groups out; so is the one protocol called that we offer. */
const protocol = 'tributary';

interface Common {
  groupId: string;
}

const about = (groupId: string, doing: string): string => `${doing} group "${groupId}"`;

/**
 *   request  := group · sessionTimeoutMs i32 · rebalanceTimeoutMs i32 · member · instance?
 *               · protocolType · [ protocolName · metadata bytes ]
 *   response := throttleMs i32 · error i16 · generation i32 · protocolName · leader · member
 *               · [ member · instance? · metadata bytes ]
 */
export function joinGroupApi(
  request: JoinRequest & Common & { sessionTimeoutMs: number; rebalanceTimeoutMs: number },
): Api<JoinAnswer> {
  return {
    key: 11,
    name: 'JoinGroup',
    versions: [5, 5],
    flexibleFrom: 6,
    encode(writer) {
      writer.string(request.groupId);
      writer.int32(request.sessionTimeoutMs);
      writer.int32(request.rebalanceTimeoutMs);
      writer.string(request.memberId);
      writer.nullableString(null);
      writer.string(protocol);
      writer.array([request.metadata], (metadata) => {
        writer.string(protocol);
        writer.bytes(metadata);
      });
    },
    decode(reader) {
      reader.int32();
      const error = reader.int16();
      const needsMemberId = kafkaErrorName(error) === 'MEMBER_ID_REQUIRED';
      if (error !== 0 && !needsMemberId) {
        throw brokerError(error, about(request.groupId, 'joining'));
      }
      const generation = reader.int32();
      reader.nullableString();
      const leaderId = reader.string();
      const memberId = reader.string();
      const members = reader.array(() => {
        const member = reader.string();
        reader.nullableString();
        return { memberId: member, metadata: reader.blob() };
      });
      return { needsMemberId, generation, leaderId, memberId, members };
    },
  };
}

/**
 *   request  := group · generation i32 · member · instance? · [ member · assignment bytes ]
 *   response := throttleMs i32 · error i16 · assignment bytes
 */
export function syncGroupApi(
  request: GroupMember &
    Common & { assignments: readonly { memberId: string; assignment: Buffer }[] },
): Api<Buffer> {
  return {
    key: 14,
    name: 'SyncGroup',
    versions: [3, 3],
    flexibleFrom: 4,
    encode(writer) {
      writer.string(request.groupId);
      writer.int32(request.generation);
      writer.string(request.memberId);
      writer.nullableString(null);
      writer.array(request.assignments, ({ memberId, assignment }) => {
        writer.string(memberId);
        writer.bytes(assignment);
      });
    },
    decode(reader) {
      reader.int32();
      const error = reader.int16();
      if (error !== 0) throw brokerError(error, about(request.groupId, 'taking the assignment of'));
      return reader.blob();
    },
  };
}

/**
 *   request  := group · generation i32 · member · instance?
 *   response := throttleMs i32 · error i16
 */
export function heartbeatApi(request: GroupMember & Common): Api<void> {
  return {
    key: 12,
    name: 'Heartbeat',
    versions: [3, 3],
    flexibleFrom: 4,
    encode(writer) {
      writer.string(request.groupId);
      writer.int32(request.generation);
      writer.string(request.memberId);
      writer.nullableString(null);
    },
    decode(reader) {
      reader.int32();
      const error = reader.int16();
      if (error !== 0) throw brokerError(error, about(request.groupId, 'heartbeat to'));
    },
  };
}

/**
 *   request  := group · [ member · instance? ]
 *   response := throttleMs i32 · error i16 · [ member · instance? · error i16 ]
 */
export function leaveGroupApi(request: Common & { memberId: string }): Api<void> {
  return {
    key: 13,
    name: 'LeaveGroup',
    versions: [3, 3],
    flexibleFrom: 4,
    encode(writer) {
      writer.string(request.groupId);
      writer.array([request.memberId], (memberId) => {
        writer.string(memberId);
        writer.nullableString(null);
      });
    },
    decode(reader) {
      reader.int32();
      const whole = reader.int16();
      const [ours = 0] = reader.array(() => {
        reader.string();
        reader.nullableString();
        return reader.int16();
      });
      const error = whole || ours;
      if (error !== 0) throw brokerError(error, about(request.groupId, 'leaving'));
    },
  };
}
