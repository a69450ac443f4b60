import type { Api } from './api.ts';
import { brokerError } from './error-codes.ts';
import { type AclBinding, KafkaError } from './kafka.ts';

/** Index = Kafka's number (org.apache.kafka.common.acl, .resource). */
const resourceTypes = ['other', 'other', 'topic', 'group', 'cluster', 'transactional-id'] as const;
const patternTypes = ['other', 'other', 'other', 'literal', 'prefixed'] as const;
const operations = [
  'UNKNOWN',
  'ANY',
  'ALL',
  'READ',
  'WRITE',
  'CREATE',
  'DELETE',
  'ALTER',
  'DESCRIBE',
  'CLUSTER_ACTION',
  'DESCRIBE_CONFIGS',
  'ALTER_CONFIGS',
  'IDEMPOTENT_WRITE',
  'CREATE_TOKENS',
  'DESCRIBE_TOKENS',
  'TWO_PHASE_COMMIT',
] as const;
const permission = { deny: 2, allow: 3 } as const;
const any = 1;

/**
 * All bindings.
 *
 *   request  := type i8 · name? · pattern i8 · principal? · host? · operation i8 · permission i8
 *   response := throttle i32 · error i16 · message? · [type i8 · name · pattern i8
 *               · [principal · host · operation i8 · permission i8]]
 */
export const describeAcls: Api<AclBinding[]> = {
  key: 29,
  name: 'DescribeAcls',
  versions: [1, 3],
  flexibleFrom: 2,
  encode: (writer) => {
    writer.int8(any);
    writer.nullableString(null);
    writer.int8(any);
    writer.nullableString(null);
    writer.nullableString(null);
    writer.int8(any);
    writer.int8(any);
    writer.tags();
  },
  decode: (reader) => {
    reader.int32();
    const code = reader.int16();
    const message = reader.nullableString();
    if (code !== 0) throw brokerError(code, 'reading ACLs', { message });
    return reader
      .array(() => {
        const resourceType = resourceTypes[reader.int8()] ?? 'other';
        const resourceName = reader.string();
        const patternType = patternTypes[reader.int8()] ?? 'other';
        const found = reader.array((): AclBinding => {
          const principal = reader.string();
          const host = reader.string();
          const operation = operations[reader.int8()] ?? 'UNKNOWN';
          const allowed = reader.int8() === permission.allow;
          reader.tags();
          return {
            resourceType,
            resourceName,
            patternType,
            principal,
            host,
            operation,
            permission: allowed ? 'ALLOW' : 'DENY',
          };
        });
        reader.tags();
        return found;
      })
      .flat();
  },
};

/**
 *   request  := [type i8 · name · pattern i8 · principal · host · operation i8 · permission i8]
 *   response := throttle i32 · [error i16 · message?]
 */
export const createAcls = (bindings: readonly AclBinding[]): Api<void> => ({
  key: 30,
  name: 'CreateAcls',
  versions: [1, 3],
  flexibleFrom: 2,
  encode: (writer) => {
    writer.array(bindings, (binding) => {
      writer.int8(numberOf(resourceTypes, binding.resourceType, 'resource type'));
      writer.string(binding.resourceName);
      writer.int8(numberOf(patternTypes, binding.patternType, 'pattern type'));
      writer.string(binding.principal);
      writer.string(binding.host);
      writer.int8(numberOf(operations, binding.operation, 'operation'));
      writer.int8(binding.permission === 'ALLOW' ? permission.allow : permission.deny);
      writer.tags();
    });
    writer.tags();
  },
  decode: (reader) => {
    reader.int32();
    let index = 0;
    reader.array(() => {
      const code = reader.int16();
      const message = reader.nullableString();
      reader.tags();
      const { resourceType, resourceName } = bindings[index++] ?? {};
      const what = `creating the ACL of ${resourceType} ${resourceName}`;
      if (code !== 0) throw brokerError(code, what, { message });
    });
  },
});

function numberOf(names: readonly string[], name: string, what: string): number {
  const number = name === 'other' ? -1 : names.indexOf(name);
  if (number > any) return number;
  throw new KafkaError('invalid', `an ACL cannot be made with ${what} '${name}'`);
}
