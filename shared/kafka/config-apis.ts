import type { Api } from './api.ts';
import { brokerError } from './error-codes.ts';
import type { ConfigEntry } from './kafka.ts';
import type { ProtocolReader } from './protocol-reader.ts';

const topicResource = 2;

/** ConfigEntry.ConfigSource of Kafka; 2 to 4: dynamic of one broker, of all, and its file's. */
const sources: { readonly [id: number]: ConfigEntry['source'] } = {
  1: 'topic',
  2: 'broker',
  3: 'broker',
  4: 'broker',
  5: 'default',
};

/**
 *   request  := [type i8 · name · [key]?] · synonyms bool · v3+ documentation bool
 *   response := throttle i32 · [error i16 · message? · type i8 · name · [entry]]
 *   entry    := name · value? · readOnly bool · source i8 · sensitive bool
 *               · [name · value? · source i8] · v3+ type i8 · v3+ documentation?
 */
export const describeConfigs = (topic: string): Api<ConfigEntry[]> => ({
  key: 32,
  name: 'DescribeConfigs',
  versions: [1, 4],
  flexibleFrom: 4,
  encode: (writer, version) => {
    writer.array([topic], (name) => {
      writer.int8(topicResource);
      writer.string(name);
      writer.array(null, () => {});
      writer.tags();
    });
    writer.boolean(false);
    if (version >= 3) writer.boolean(false);
    writer.tags();
  },
  decode: (reader, version) => {
    reader.int32();
    return reader
      .array(() => {
        const code = reader.int16();
        const message = reader.nullableString();
        if (code !== 0) throw brokerError(code, 'reading the configs', { topic, message });
        reader.int8();
        reader.string();
        const entries = reader.array(() => readEntry(reader, version));
        reader.tags();
        return entries;
      })
      .flat();
  },
});

function readEntry(reader: ProtocolReader, version: number): ConfigEntry {
  const name = reader.string();
  const value = reader.nullableString();
  const readOnly = reader.boolean();
  const source = sources[reader.int8()] ?? 'other';
  const sensitive = reader.boolean();
  reader.array(() => {
    reader.string();
    reader.nullableString();
    reader.int8();
    reader.tags();
  });
  if (version >= 3) {
    reader.int8();
    reader.nullableString();
  }
  reader.tags();
  return { name, value, source, readOnly, sensitive };
}

const operation = { set: 0, delete: 1 } as const;

/**
 *   request  := [type i8 · name · [name · operation i8 · value?]] · validateOnly bool
 *   response := throttle i32 · [error i16 · message? · type i8 · name]
 */
export const incrementalAlterConfigs = (
  topic: string,
  configs: { readonly [name: string]: string | null },
): Api<void> => ({
  key: 44,
  name: 'IncrementalAlterConfigs',
  versions: [0, 1],
  flexibleFrom: 1,
  encode: (writer) => {
    writer.array([topic], (name) => {
      writer.int8(topicResource);
      writer.string(name);
      writer.array(Object.entries(configs), ([key, value]) => {
        writer.string(key);
        writer.int8(value === null ? operation.delete : operation.set);
        writer.nullableString(value);
        writer.tags();
      });
      writer.tags();
    });
    writer.boolean(false);
    writer.tags();
  },
  decode: (reader) => {
    reader.int32();
    reader.array(() => {
      const code = reader.int16();
      const message = reader.nullableString();
      if (code !== 0) throw brokerError(code, 'altering the configs', { topic, message });
      reader.int8();
      reader.string();
      reader.tags();
    });
  },
});
