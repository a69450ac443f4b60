import type { Api } from './api.ts';
import { brokerError } from './error-codes.ts';
import { KafkaError } from './kafka.ts';

/** What a broker speaks, by the key of the API. */
export type BrokerVersions = ReadonlyMap<number, { min: number; max: number }>;

/** Version 0 is what every broker understands. */
export const apiVersions: Api<BrokerVersions> = {
  key: 18,
  name: 'ApiVersions',
  versions: [0, 0],
  flexibleFrom: 3,
  encode: () => {},
  decode: (reader) => {
    const code = reader.int16();
    if (code !== 0) throw brokerError(code, 'asking for API versions');
    return new Map(
      reader.array(() => [reader.int16(), { min: reader.int16(), max: reader.int16() }] as const),
    );
  },
};

/** The highest version that both speak. Throws `invalid` where there is none. */
export function versionFor(api: Api<unknown>, broker: BrokerVersions, address: string): number {
  const [min, max] = api.versions;
  const theirs = broker.get(api.key);
  if (!theirs) {
    throw new KafkaError('invalid', `the broker at ${address} does not know ${api.name}`, {
      kafkaCode: 'UNSUPPORTED_VERSION',
    });
  }
  const version = Math.min(max, theirs.max);
  if (version >= min && version >= theirs.min) return version;
  throw new KafkaError(
    'invalid',
    `${api.name}: the broker at ${address} speaks versions ${theirs.min} to ${theirs.max}, ` +
      `we speak ${min} to ${max}`,
    { kafkaCode: 'UNSUPPORTED_VERSION' },
  );
}
