/** The settings files that `npm start` writes. */

export interface Ports {
  link: number;
  centralStatus: number;
  /** Of the n-th site, from 0. */
  site(index: number): { status: number; http: number; mqtt: number };
}

/** Well-known ports, or `base` and those behind it; 0 lets the system choose each. */
export function portsFrom(base: number | undefined): Ports {
  if (base === 0) {
    return { link: 0, centralStatus: 0, site: () => ({ status: 0, http: 0, mqtt: 0 }) };
  }
  const first = base ?? 8080;
  const site = (index: number) => ({
    status: first + 10 * index + 1,
    http: first + 10 * index + 2,
    mqtt: base === undefined ? 1883 + index : first + 10 * index + 3,
  });
  return { link: base === undefined ? 8443 : first + 4, centralStatus: first, site };
}

const preface = (name: string): string =>
  `# Written by "npm start" at every start. Changes of your own belong into ${name}.d/*.toml.\n`;

const embedded = (folder: string): string => `type = "embedded"
path = ${JSON.stringify(`${folder}/central.db`)}
retention = "7d"
max_bytes = "2GiB"`;

const inKafka = (brokers: readonly string[]): string => `type = "kafka"
brokers = ${JSON.stringify(brokers)}
retention = "7d"`;

export function centralToml({
  ports,
  folder,
  aliases,
  kafka,
}: {
  ports: Ports;
  folder: string;
  aliases: readonly string[];
  /** Brokers; null: in a file. */
  kafka: readonly string[] | null;
}): string {
  return `${preface('central')}alias = "central"
[link]
listen = "127.0.0.1:${ports.link}"
heartbeat_interval = "1s"
[status]
listen = "127.0.0.1:${ports.centralStatus}"
[landing]
${kafka ? inKafka(kafka) : embedded(folder)}
[fleet]
expect = ${JSON.stringify(aliases)}
offline_after = "5s"
stalled_after = "10s"
[[flow]]
into = "sensor-data"
from = ["*.sensor-data"]
[[flow]]
into = "host-metrics"
from = ["*.host-metrics"]
`;
}

export interface SiteSettings {
  alias: string;
  centralUrl: string;
  folder: string;
  ports: { status: number; http: number; mqtt: number };
}

export function edgeToml({ alias, centralUrl, folder, ports }: SiteSettings): string {
  return `${preface(alias)}alias = "${alias}"
[central]
url = "${centralUrl}"
request_timeout = "10s"
[buffer]
path = ${JSON.stringify(`${folder}/${alias}.db`)}
max_bytes = "1GiB"
[status]
listen = "127.0.0.1:${ports.status}"
[[source]]
type = "host"
interval = "2s"
[[source]]
type = "mqtt"
name = "mqtt"
listen = "127.0.0.1:${ports.mqtt}"
subscribe = [{ filter = "sensors/+/#", topic = "sensor-data", key = "{1}" }]
[[source]]
type = "http"
name = "http"
listen = "127.0.0.1:${ports.http}"
`;
}
