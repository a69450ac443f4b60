import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { setting, table } from '#shared/std/settings-spec.ts';
import { boolean, oneOf, text, texts } from '#shared/std/settings-types.ts';
import type { KafkaSasl, KafkaSettings, KafkaTls } from './kafka.ts';

/** How to reach a Kafka cluster, as the settings of both programs write it. */
export const connectionFields = {
  brokers: setting(texts, {
    doc: 'Brokers to begin with, as host:port; one that answers is enough.',
    required: true,
    example: '["kafka-1:9092"]',
    check: (brokers) => brokers.map(brokerProblem).find((problem) => problem !== undefined),
  }),
  tls: table('TLS to the brokers; on as soon as one of these is set.', {
    enabled: setting(boolean, {
      doc: "Also without any other: the system's authorities are believed.",
      example: 'true',
    }),
    ca_file: setting(text, { doc: 'Who signs the brokers; PEM.', example: '"/etc/…"' }),
    cert_file: setting(text, { doc: 'Our certificate and its chain; PEM.', example: '"/etc/…"' }),
    key_file: setting(text, { doc: 'Its key; PEM.', example: '"/etc/…"' }),
    server_name: setting(text, {
      doc: "The name in the brokers' certificates, where it is not their host.",
      example: '"kafka.example"',
    }),
  }),
  sasl: table('Who we are to the brokers.', {
    mechanism: setting(oneOf('plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'), {
      doc: 'How; nothing: no login.',
      example: '"scram-sha-512"',
    }),
    username: setting(text, { doc: 'For plain and scram.', example: '"tributary"' }),
    password: setting(text, {
      doc: 'For plain and scram; better: password_file.',
      secret: true,
      example: '"…"',
    }),
    password_file: setting(text, { doc: 'The file that holds it.', example: '"/etc/…"' }),
    token_file: setting(text, {
      doc: 'For oauthbearer: the file that holds the token, read at every login.',
      example: '"/run/…"',
    }),
    token_command: setting(texts, {
      doc: 'For oauthbearer: prints the token; a program and its arguments, run at every login.',
      example: '["/usr/local/bin/kafka-token"]',
    }),
  }),
};

export interface ConnectionValues {
  brokers: string[];
  tls: {
    enabled?: boolean | undefined;
    ca_file?: string | undefined;
    cert_file?: string | undefined;
    key_file?: string | undefined;
    server_name?: string | undefined;
  };
  sasl: {
    mechanism?: KafkaSasl['mechanism'] | undefined;
    username?: string | undefined;
    password?: string | undefined;
    password_file?: string | undefined;
    token_file?: string | undefined;
    token_command?: string[] | undefined;
  };
}

function brokerProblem(broker: string): string | undefined {
  const port = Number(/:(\d{1,5})$/.exec(broker)?.[1]);
  if (port > 0 && port < 65_536 && broker.lastIndexOf(':') > 0) return undefined;
  return `names "${broker}", which is not host:port`;
}

/** What does not go together, by key below the table that holds these settings. */
export function connectionProblems({ tls, sasl }: ConnectionValues): [string, string][] {
  const problems: [string, string][] = [];
  if ((tls.cert_file === undefined) !== (tls.key_file === undefined)) {
    problems.push(['tls.cert_file', 'and tls.key_file go together']);
  }
  const { mechanism, username, password, password_file, token_file, token_command } = sasl;
  if (mechanism === 'oauthbearer') {
    if ((token_file === undefined) === (token_command === undefined)) {
      problems.push(['sasl.mechanism', '"oauthbearer" needs token_file or token_command']);
    }
  } else if (mechanism !== undefined) {
    if (username === undefined) {
      problems.push(['sasl.username', `is missing, and "${mechanism}" needs it`]);
    }
    if ((password === undefined) === (password_file === undefined)) {
      problems.push(['sasl.mechanism', `"${mechanism}" needs password_file or password`]);
    }
  } else if (Object.values(sasl).some((value) => value !== undefined)) {
    problems.push(['sasl.mechanism', 'is missing; for example "scram-sha-512"']);
  }
  return problems;
}

/** Reads the files that the settings name. Rejects with a RangeError that names both. */
export async function readConnection(
  values: ConnectionValues,
): Promise<Pick<KafkaSettings, 'brokers' | 'tls' | 'sasl'>> {
  const tls = await tlsOf(values.tls);
  const sasl = await saslOf(values.sasl);
  return { brokers: values.brokers, ...(tls && { tls }), ...(sasl && { sasl }) };
}

async function tlsOf(tls: ConnectionValues['tls']): Promise<KafkaTls | undefined> {
  const isSet = Object.values(tls).some((value) => value !== undefined);
  if (!isSet || tls.enabled === false) return undefined;
  const pem = async (name: 'ca_file' | 'cert_file' | 'key_file') =>
    tls[name] && (await fileOf(`tls.${name}`, tls[name]));
  const [ca, cert, key] = await Promise.all([pem('ca_file'), pem('cert_file'), pem('key_file')]);
  return {
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(tls.server_name && { serverName: tls.server_name }),
  };
}

async function saslOf(sasl: ConnectionValues['sasl']): Promise<KafkaSasl | undefined> {
  const { mechanism, username, password, password_file, token_file, token_command } = sasl;
  if (mechanism === undefined) return undefined;
  if (mechanism === 'oauthbearer') {
    return { mechanism, token: () => tokenOf(token_file, token_command) };
  }
  const secret =
    password ?? (await fileOf('sasl.password_file', password_file!)).replace(/\r?\n$/, '');
  return { mechanism, username: username!, password: secret };
}

async function fileOf(setting: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new RangeError(`${setting} = "${path}" cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}

const tokenTimeoutMs = 10_000;

async function tokenOf(file: string | undefined, command: string[] | undefined): Promise<string> {
  if (file !== undefined) return (await readFile(file, 'utf8')).trim();
  const [program, ...args] = command!;
  const { stdout } = await promisify(execFile)(program!, args, { timeout: tokenTimeoutMs });
  return stdout.trim();
}
