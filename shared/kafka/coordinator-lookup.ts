import type { Api } from './api.ts';
import { brokerError } from './error-codes.ts';
import type { Broker } from './kafka.ts';

export type CoordinatorKind = 'group' | 'transaction';

/**
 *   request  := key string · keyType i8 (0 group, 1 transaction)
 *   response := throttle i32 · error i16 · message? · nodeId i32 · host string · port i32
 *
 * v4+ asks for several keys at once and is not needed.
 */
export const findCoordinator = (kind: CoordinatorKind, key: string): Api<Broker> => ({
  key: 10,
  name: 'FindCoordinator',
  versions: [1, 3],
  flexibleFrom: 3,
  encode: (writer) => {
    writer.string(key);
    writer.int8(kind === 'group' ? 0 : 1);
    writer.tags();
  },
  decode: (reader) => {
    reader.int32();
    const code = reader.int16();
    const message = reader.nullableString();
    if (code !== 0)
      throw brokerError(code, `finding the coordinator of ${kind} ${key}`, { message });
    return { id: reader.int32(), host: reader.string(), port: reader.int32() };
  },
});
