/**
 * What becomes of each of MirrorMaker 2's settings (Kafka 3.9 and 4.0). `taken`: it is in our files.
 * `otherwise`: we do it another way, which the note says. `none`: nothing of ours does it.
 */
export type Fate = 'taken' | 'otherwise' | 'none';

export interface KeyFate {
  fate: Fate;
  note: string;
}

const factor = 'landing.replication_factor is for all topics that are made';
const noTasks = 'one agent a site, and as many collectors as wanted; there are no tasks or workers';
const discovery = 'new topics, partitions and groups are found within seconds';
const always = 'always: records and positions are one transaction';
const tuning = 'a tuning of the Java clients';

/** In order: the first that matches counts. Prefixes of clusters and flows are taken off before. */
const fates: readonly [pattern: RegExp, fate: Fate, note: string][] = [
  [/^clusters$|^enabled$/, 'taken', ''],
  [/^bootstrap\.servers$/, 'taken', 'brokers'],
  [/^topics$/, 'taken', 'topics of the source'],
  [/^topics\.(exclude|blacklist)$/, 'taken', 'topics_exclude of the source'],
  [/^groups$/, 'taken', 'groups of the source'],
  [/^groups\.(exclude|blacklist)$/, 'taken', 'groups_exclude of the source'],
  [/^replication\.policy\.class$/, 'taken', "landing.naming, for the two of Apache's"],
  [/^replication\.policy\.separator$/, 'taken', 'the separator is "."'],
  [/^replication\.policy\.internal\.topic\.separator\.enabled$/, 'taken', 'it is "." there too'],
  [/^replication\.factor$/, 'taken', 'landing.replication_factor'],
  [/^sync\.group\.offsets\.enabled$/, 'taken', 'landing.sync_group_offsets'],
  [/^sync\.topic\.configs\.enabled$/, 'taken', 'landing.sync_topic_configs'],
  [/^sync\.topic\.acls\.enabled$/, 'taken', 'landing.sync_topic_acls, and acls of the source'],
  [/^sync\.topic\.(configs|acls)\./, 'otherwise', discovery],
  [/^config\.properties\.(exclude|blacklist)$/, 'taken', 'landing.config_properties_exclude'],
  [/^emit\.heartbeats\.enabled$/, 'taken', 'landing.heartbeats'],
  [/^security\.protocol$|^sasl\.(mechanism|jaas\.config)$/, 'taken', 'tls and sasl'],
  [/^ssl\.(truststore|keystore)\.(location|type)$/, 'taken', 'tls'],
  [/\.topic\.replication\.factor$/, 'otherwise', factor],
  [/^(offset|status|config)\.storage\.replication\.factor$/, 'otherwise', factor],
  [/^emit\.heartbeats\.interval\.seconds$/, 'otherwise', 'with every heartbeat of the link'],
  [/^emit\.checkpoints\./, 'otherwise', 'as soon as a position has moved'],
  [/^sync\.group\.offsets\.interval/, 'otherwise', 'with each report of the site'],
  [/^refresh\.(topics|groups)\./, 'otherwise', discovery],
  [/^offset-syncs\.topic\.location$/, 'otherwise', "at central: nothing is written at the site's"],
  [/^emit\.offset-syncs\.|^offset\.lag\.max$/, 'otherwise', 'translation rests on the whole index'],
  [/^heartbeats\.replication\.enabled$/, 'otherwise', 'central writes <alias>.heartbeats itself'],
  [/^(tasks\.max|dedicated\.mode\..*|listeners|rest\..*)$/, 'otherwise', noTasks],
  [/^(group\.id|name|client\.id|scheduled\.rebalance\..*)$/, 'otherwise', noTasks],
  [/exactly\.once|^transaction\.boundary|isolation\.level$/, 'otherwise', always],
  [/^(offset\.flush|admin\.timeout|consumer\.poll\.timeout)/, 'otherwise', always],
  [/\.acks$|\.enable\.idempotence$/, 'otherwise', always],
  [/^(key|value|header)\.converter/, 'otherwise', 'records are carried byte for byte'],
  [/^source\.consumer\.auto\.offset\.reset$/, 'taken', 'start of the source'],
  [/auto\.offset\.reset$/, 'none', 'without a stored position a topic is read from its start'],
  [/\.filter\.class$/, 'none', 'own filter classes cannot run here; write them as patterns'],
  [/^forwarding\.admin\.class$/, 'none', 'own classes cannot run here'],
  [/^(transforms|predicates)(\.|$)/, 'none', 'records are not changed on their way'],
  [/^use\.defaults\.from$/, 'none', "defaults of the site's cluster are not copied"],
  [/^(config\.providers)(\.|$)/, 'none', 'write secrets into files; see password_file'],
  [/^metric\.reporters$/, 'none', "central's /metrics is for Prometheus"],
  [/^ssl\.endpoint\.identification\.algorithm$/, 'none', "brokers' names are always checked"],
  [/^(ssl|sasl)\./, 'none', 'not known to our clients'],
  [/^(source\.|target\.)?(consumer|producer|admin)\./, 'none', tuning],
];

export function fateOf(key: string): KeyFate {
  const found = fates.find(([pattern]) => pattern.test(key));
  return found ? { fate: found[1], note: found[2] } : { fate: 'none', note: 'not known' };
}
