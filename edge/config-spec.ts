import { choice, list, setting, table } from '#shared/std/settings-spec.ts';
import {
  boolean,
  duration,
  integer,
  listenAddress,
  oneOf,
  orWord,
  rate,
  size,
  text,
  texts,
} from '#shared/std/settings-types.ts';
import { aliasProblem } from '#shared/wire/alias.ts';
import { limits } from '#shared/wire/limits.ts';
import { kafka } from './config-spec-kafka.ts';
import { name } from './config-spec-name.ts';
import { hostDefaults } from './source/host-settings.ts';
import { httpDefaults } from './source/http-settings.ts';

const password = {
  username: setting(text, { doc: 'User name.', example: '"gateway"' }),
  password: setting(text, { doc: 'Password; better in password_file.', secret: true }),
  password_file: setting(text, { doc: 'File that holds the password.', example: '"/etc/…"' }),
};

const whenFull = oneOf('drop-oldest', 'block');

const mqtt = table('MQTT: a client of a broker (url), or a listener of its own (listen).', {
  name,
  url: setting(text, { doc: 'The broker.', example: '"mqtt://localhost:1883"' }),
  listen: setting(listenAddress, {
    doc: 'Listen for publishers here, where there is no broker.',
    example: '"127.0.0.1:1883"',
  }),
  subscribe: list(
    'Which messages become which records; the first that matches wins.',
    table('One route.', {
      filter: setting(text, {
        doc: 'MQTT topic filter with + and #.',
        required: true,
        example: '"sensors/+/temperature"',
      }),
      topic: setting(text, {
        doc: 'Topic of the records; {1} is what the first wildcard took, {topic} the whole topic.',
        required: true,
        example: '"sensor-data"',
      }),
      key: setting(text, { doc: 'Key of the records, a template like topic.', example: '"{1}"' }),
      qos: setting(integer(0, 2), { doc: 'Highest quality of service to ask for.', default: 1 }),
    }),
  ),
  ...password,
  allow_anonymous: setting(boolean, {
    doc: 'Let a listener beyond loopback take from anybody.',
    default: false,
  }),
  tls: table('TLS with the broker (mqtts://) or for the listener.', {
    ca_file: setting(text, { doc: 'Who signs the other side; PEM.', example: '"/etc/…"' }),
    cert_file: setting(text, { doc: 'Our certificate; PEM.', example: '"/etc/…"' }),
    key_file: setting(text, { doc: 'Its key; PEM.', example: '"/etc/…"' }),
  }),
  client_id: setting(text, {
    doc: 'Stable name of the session at the broker.',
    shownDefault: 'tributary-<alias>, and the name where one is set',
  }),
  protocol: setting(oneOf('5', '3.1.1'), { doc: 'MQTT version to speak.', default: '5' }),
  keepalive: setting(duration(1_000, 65_535_000), {
    doc: 'Pace of keep-alive packets.',
    default: '30s',
  }),
  session_expiry: setting(duration(0, 0xffff_fffe * 1000), {
    doc: 'How long the broker keeps the session while we are away (MQTT 5).',
    default: '7d',
  }),
});

const http = table('HTTP: other programs post records to us.', {
  name,
  listen: setting(listenAddress, {
    doc: 'Where to listen.',
    required: true,
    example: '"127.0.0.1:8082"',
  }),
  topics: setting(texts, {
    doc: 'Topics that may be written, names or globs.',
    example: '["sensor-*"]',
  }),
  token: setting(text, {
    doc: 'What "Authorization: Bearer …" has to say; better in token_file.',
    secret: true,
  }),
  token_file: setting(text, { doc: 'File that holds the token.', example: '"/etc/…"' }),
  allow_anonymous: setting(boolean, {
    doc: 'Listen beyond loopback without a token.',
    default: false,
  }),
  max_body_bytes: setting(size(1_000), {
    doc: 'Largest request body.',
    default: httpDefaults.maxBodyBytes,
  }),
});

const host = table("The gateway's own vitals, from /proc and /sys.", {
  name,
  topic: setting(text, { doc: 'Topic of the readings.', default: hostDefaults.topic }),
  interval: setting(duration(100), {
    doc: 'Time between two readings.',
    default: `${hostDefaults.intervalMs}ms`,
  }),
});

/** Every setting of an edge: what it is, its default, its unit. `stateDirectory` holds its data. */
export const edgeSpec = (stateDirectory: string) =>
  table('A Tributary edge: makes records durable on a gateway and carries them to central.', {
    alias: setting(text, {
      doc: 'Short name of this site; at central its topics are <alias>.<topic>.',
      required: true,
      example: '"factory-a"',
      check: aliasProblem,
    }),
    central: table('Where the records go.', {
      url: setting(texts, {
        doc: 'Address of central; several are tried in order. Without one, records are kept here.',
        example: '"https://central.example:8443"',
      }),
      credential: setting(text, {
        doc: 'Key and certificate of this gateway; written by join, replaced by itself.',
        default: `${stateDirectory}/credential.json`,
      }),
      join_token: setting(text, {
        doc: 'Token of "enrol", to join unattended; better in join_token_file. Good once.',
        secret: true,
      }),
      join_token_file: setting(text, {
        doc: 'File that holds it. It may be missing, and removed once this gateway has joined.',
        shownDefault: 'of the service: /etc/tributary/join-token',
      }),
      ca_file: setting(text, {
        doc: "Who signs central's certificate, outside; PEM.",
        example: '"/etc/…"',
      }),
      cert_file: setting(text, {
        doc: 'Our certificate of an outside authority; PEM.',
        example: '"/etc/…"',
      }),
      key_file: setting(text, { doc: 'Its key; PEM.', example: '"/etc/…"' }),
      max_rate: setting(orWord('off', rate), {
        doc: 'Most that is sent to central.',
        default: 'off',
      }),
      request_timeout: setting(duration(1_000, 3_600_000), {
        doc: 'A request to central that takes longer is given up and sent again.',
        default: '30s',
      }),
    }),
    buffer: table('The durable buffer between the sources and central.', {
      path: setting(text, {
        doc: 'The file; its folder is created.',
        default: `${stateDirectory}/buffer.db`,
      }),
      max_bytes: setting(size(2 ** 24), { doc: 'Hard cap on disk.', default: '10GiB' }),
      when_full: setting(whenFull, {
        doc: 'At the cap: drop the oldest records (each drop is a declared loss) or stop taking.',
        default: 'drop-oldest',
      }),
      compression: setting(oneOf('zstd', 'none'), {
        doc: 'Of the sealed batches, on disk, on the wire and at central.',
        default: 'zstd',
      }),
    }),
    topic: list(
      'What differs from topic to topic.',
      table('One topic.', {
        name: setting(text, {
          doc: 'The topic, or "*" for all that are not named.',
          required: true,
          example: '"sensor-data"',
        }),
        partitions: setting(integer(1, limits.partitionsPerTopic), {
          doc: 'Partitions; a key always goes to the same one.',
          default: 1,
        }),
        max_bytes: setting(size(2 ** 20), { doc: 'Cap of this topic alone.', example: '"1GiB"' }),
        when_full: setting(whenFull, {
          doc: 'Policy of this topic.',
          shownDefault: 'that of the buffer',
        }),
      }),
    ),
    status: table('Local status API and metrics.', {
      listen: setting(listenAddress, {
        doc: 'Address of the status API; loopback only until there is a sign-in.',
        default: '127.0.0.1:8081',
      }),
    }),
    source: list('Where records come from.', choice('One source.', { mqtt, http, host, kafka })),
    log: table('The log, on standard error.', {
      level: setting(oneOf('debug', 'info', 'warn', 'error'), {
        doc: 'Least level that is logged.',
        default: 'info',
      }),
    }),
  });

export type EdgeSpec = ReturnType<typeof edgeSpec>;
