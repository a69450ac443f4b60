import { choice, list, setting, table } from '#shared/std/settings-spec.ts';
import {
  boolean,
  duration,
  listenAddress,
  oneOf,
  orWord,
  size,
  text,
  texts,
} from '#shared/std/settings-types.ts';
import { aliasProblem } from '#shared/wire/alias.ts';
import { kafkaLandingSpec, namingSetting } from './config-spec-kafka.ts';

/** Every setting of central: what it is, its default, its unit. `stateDirectory` holds its data. */
export const centralSpec = (stateDirectory: string) =>
  table('Tributary central: lands what the sites send, and knows how far behind each is.', {
    alias: setting(text, {
      doc: "Central's own name; MirrorMaker 2 calls it the target's alias.",
      default: 'central',
      check: aliasProblem,
    }),
    link: table('Where edges connect to.', {
      listen: setting(listenAddress, {
        doc: 'Address of the link; beyond loopback it speaks TLS 1.3 with certificates only.',
        default: '127.0.0.1:8443',
      }),
      tls: setting(oneOf('auto', 'own', 'off'), {
        doc: 'Certificates: "own" of our own authority; "auto" only beyond loopback; "off" none.',
        default: 'auto',
      }),
      names: setting(texts, {
        doc: 'More names that sites reach central by; the first is shown to them.',
        example: '"central.example"',
      }),
      cert_file: setting(text, {
        doc: "Central's certificate and its chain, of an outside authority; PEM.",
        example: '"/etc/…"',
      }),
      key_file: setting(text, { doc: 'Its key; PEM.', example: '"/etc/…"' }),
      ca_file: setting(text, {
        doc: "Who signs the sites' certificates (URI tributary:edge:<alias>); PEM.",
        example: '"/etc/…"',
      }),
      crl_file: setting(text, {
        doc: 'Which of these were revoked (CRL, PEM); read again when it changes.',
        example: '"/etc/…"',
      }),
      heartbeat_interval: setting(duration(100, 3_600_000), {
        doc: 'How often edges report, also when nothing else moves.',
        default: '5s',
      }),
    }),
    enrol: table("Certificates of sites, by central's own authority.", {
      authority: setting(text, {
        doc: 'Its key and certificate, made at first need. Back it up; show it to nobody.',
        default: `${stateDirectory}/authority.pem`,
      }),
      life: setting(duration(60_000, 3650 * 86_400_000), {
        doc: "Life of a site's certificate; it is renewed at two thirds.",
        default: '30d',
      }),
      grace: setting(duration(0, 3650 * 86_400_000), {
        doc: 'An expired certificate may still be renewed for this long, after an outage.',
        default: '180d',
      }),
    }),
    status: table('Status API, metrics and dashboard.', {
      listen: setting(listenAddress, {
        doc: 'Address of the status API, on loopback.',
        default: '127.0.0.1:8080',
      }),
      remote: setting(listenAddress, {
        doc: 'The same for other machines: TLS, and only for who signs in, in one of these ways.',
        example: '"0.0.0.0:8444"',
      }),
      token_file: setting(text, {
        doc: 'File with the token of status.remote, 32 characters or more; the service has its own.',
        example: '"/etc/…"',
      }),
      client_ca_file: setting(text, {
        doc: 'Whoever shows a certificate of this authority comes in; PEM. Sites do not.',
        example: '"/etc/…"',
      }),
      client_names: setting(texts, {
        doc: 'Only certificates with one of these common names; default all of that authority.',
        example: '["alice"]',
      }),
      proxy_header: setting(text, {
        doc: 'Header in which a reverse proxy names who has signed in there.',
        example: '"X-Forwarded-User"',
      }),
      proxy_addresses: setting(texts, {
        doc: 'Addresses of that proxy; from any other the header counts for nothing.',
        example: '["10.0.0.5"]',
      }),
      names: setting(texts, {
        doc: 'More names that people reach status.remote by, also through the proxy.',
        default: [],
        example: '["tributary.example"]',
      }),
    }),
    landing: choice(
      'The log that everything lands in.',
      {
        embedded: table('One SQLite file on this machine; needs no Kafka.', {
          path: setting(text, {
            doc: 'The file; its folder is created.',
            default: `${stateDirectory}/central.db`,
          }),
          naming: namingSetting,
          retention: setting(orWord('forever', duration(1_000)), {
            doc: 'How long landed records stay.',
            default: '7d',
          }),
          max_bytes: setting(size(128 * 2 ** 20), {
            doc: 'Cap of all its files together; the oldest records go first.',
            default: '50GiB',
          }),
        }),
        kafka: kafkaLandingSpec,
      },
      { defaultType: 'embedded' },
    ),
    flow: list(
      'Merges remote topics into one topic for analytics.',
      table('One merged topic and what feeds it.', {
        into: setting(text, {
          doc: 'The merged topic.',
          required: true,
          example: '"sensor-data"',
        }),
        from: setting(texts, {
          doc: 'What feeds it, as <alias>.<topic>; * stands for any characters.',
          required: true,
          example: '["*.sensor-data"]',
        }),
        external: setting(boolean, {
          doc: 'The topics are written by others (MirrorMaker 2, say) and copied; with Kafka only.',
          default: false,
        }),
        start: setting(oneOf('latest', 'earliest'), {
          doc: 'What a flow that is added later takes: only what lands from then on, or all.',
          default: 'latest',
        }),
      }),
    ),
    fleet: table('What is expected of the sites.', {
      expect: setting(texts, {
        doc: 'Sites that must exist: shown as never-seen until their first hello.',
        default: [],
        example: '["factory-a"]',
      }),
      offline_after: setting(duration(500), {
        doc: 'A site is offline after this long without a committed heartbeat.',
        default: '15s',
      }),
      stalled_after: setting(duration(500), {
        doc: 'A site is stalled when its backlog has not moved for this long.',
        default: '30s',
      }),
    }),
    log: table('The log, on standard error.', {
      level: setting(oneOf('debug', 'info', 'warn', 'error'), {
        doc: 'Least level that is logged.',
        default: 'info',
      }),
    }),
  });
