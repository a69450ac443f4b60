import type { Kafka, TopicPartition } from '#shared/kafka/kafka.ts';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import type { KafkaReport } from '#shared/wire/kafka-report.ts';
import type { StreamId } from '#shared/wire/link.ts';
import type { Naming } from '#shared/wire/mm2-topics.ts';
import type { WireRecord } from '#shared/wire/record.ts';
import type { Fact, IndexEntry } from '../landing/landing.ts';
import type { Place } from './translate.ts';

/**
 * The door of the mirror: consumer groups of the sites' own Kafkas, their positions translated to
 * central's topics, and MirrorMaker 2's internal topics with them. What sites tell are facts in the
 * landing; all else is read again from Kafka.
 */
export interface Mirror {
  /**
   * What a site's report changes. The caller commits the facts and then calls `committed`; where it
   * cannot, `failed`, and the site tells all again.
   */
  report(alias: string, report: KafkaReport): Reported;
  /** Groups of one site or of all, translated by what has landed until now. */
  groups(alias?: string): Promise<GroupView[]>;
  /** Puts a group's translated positions into central's `__consumer_offsets`, or says what it would. */
  apply(alias: string, group: string, options: { dryRun: boolean }): Promise<AppliedGroup>;
  /**
   * How topics that sites told of differ from those at central; read only. `backlogAge`: of the
   * oldest record of a site's topic that has yet to land, ms; null: there is none.
   */
  audit(alias: string | undefined, backlogAge: BacklogAge): Promise<Audited>;
  /** Ends the work in the background. */
  close(): Promise<void>;
}

export type BacklogAge = (alias: string, topic: string) => number | null;

export interface Audited {
  /** Those that were compared, as central names them. */
  topics: string[];
  drifts: TopicDrift[];
}

/** Where a site's topic and central's have drifted apart, what follows from it, and what would change. */
export interface TopicDrift {
  alias: string;
  /** As central names it. */
  topic: string;
  /** `refused`: what was to follow was not taken. */
  what:
    | 'missing'
    | 'partitions'
    | 'retention'
    | 'cleanup'
    | 'min-isr'
    | 'settings'
    | 'backlog'
    | 'refused';
  site: string | null;
  central: string | null;
  /** `danger`: records are lost or cannot land as things stand. */
  severity: 'note' | 'warning' | 'danger';
  /** What follows from it. */
  meaning: string;
  /** What following the site (or growing the topic) changes; null: nothing does it by itself. */
  change: string | null;
}

export interface Reported {
  facts: Fact[];
  /** The number that is expected next, once the facts are committed. */
  next: number;
  committed(): void;
  failed(): void;
}

/** One group's position in one source partition. */
export interface GroupView {
  alias: string;
  group: string;
  /** Kafka's, at the site. */
  state: string;
  topic: string;
  partition: number;
  /** Next to read at the source. */
  sourceOffset: number;
  metadata: string;
  /** null: nothing of the partition has landed yet. */
  remote: Place | null;
  /** In what was the remote topic before the naming changed. */
  earlier: Place[];
  merged: Place[];
  /** When the site told it first, ms. */
  reportedAt: number;
}

/** One group's positions at central. */
export interface AppliedGroup {
  group: string;
  /**
   * `unknown`: the site told nothing of this group, or nothing of it has landed. `current`: central
   * is there already, or further on. `active`: the group has members at central.
   */
  outcome: 'set' | 'current' | 'active' | 'unknown';
  /** What was set, or would be. */
  offsets: { topic: string; partition: number; offset: number }[];
}

export interface Due {
  /** Partition 0 of each topic. */
  topics: { topic: string; records: WireRecord[] }[];
  /** Must be called when they are committed; else they are due again. */
  written(): void;
}

/** What the landing asks when it writes. */
export interface MirrorWriter {
  /** Sites of which something may be due. */
  waiting(): Iterable<string>;
  /** For the next transaction of whoever owns these: it states only what is committed already. */
  due(alias: string): Due | undefined;
}

/** What the mirror needs of the landing. */
export interface MirrorHost {
  readonly kafka: Pick<Kafka, 'admin' | 'reads'>;
  /** Those of which there are facts. */
  aliases(): string[];
  /** As they are committed; undefined: none. */
  facts(alias: string): ReadonlyMap<string, string> | undefined;
  /** Another number each time that we become the site's owner; undefined: we are not. */
  term(alias: string): number | undefined;
  /** Where the site's index entries are, and what the value of one says. */
  indexOf(alias: string): TopicPartition;
  readEntry(value: Buffer): IndexEntry;
  /** Highest sequence of the stream that landed or is lost; -1: none. */
  through(alias: string, stream: StreamId): number;
  /** Those of these remote topics that no two sites land in; all, unless sites' names are kept. */
  ofOneSite(topics: ReadonlySet<string>): ReadonlySet<string>;
  /** Who knows what is due. */
  attach(writer: MirrorWriter): void;
  /** A transaction of the site's shard soon, although nobody commits anything. */
  nudge(alias: string): void;
  /** A topic that records have landed in; undefined: none yet. */
  topic(name: string): LandedTopic | undefined;
  readonly topicSettings: {
    readonly naming: Naming;
    /** What topics of sites are made with. */
    readonly madeWith: TopicValues;
    /** What follows a site is no trouble: the landing measures such a topic by it. */
    measureBy(followed: (topic: string) => TopicValues | undefined): void;
    /** A topic's settings were changed, and how old a record may be. Rejects with a KafkaError. */
    changed(topic: string): Promise<void>;
  };
}

export interface TopicValues {
  readonly [name: string]: string;
}

export interface LandedTopic {
  kind: 'remote' | 'merged';
  /** Ids of topics of this name that were made here; none: it was there before us. */
  made: ReadonlySet<string>;
}

/** How topics at central follow those of sites. */
export interface TopicFollowing {
  configs: boolean;
  /** Names of settings, or regular expressions, that do not follow. */
  exclude: readonly string[];
  acls: boolean;
  /** Added to a site's retention, ms. */
  longestOutageMs: number;
  /** How often to look at one that nothing is told of, ms. Default 180 000. */
  checkMs?: number;
}

export interface MirrorOptions {
  log: Logger;
  clock: Clock;
  landing: MirrorHost;
  /** Groups' positions follow into central's `__consumer_offsets` by themselves. */
  syncGroupOffsets: boolean;
  /** Topics follow those of the sites. */
  topics: TopicFollowing;
  /** How often to look what has landed, ms. Default 1000. */
  intervalMs?: number;
  /** Least time between two offset syncs of one partition, ms. Default 10 000. */
  offsetSyncIntervalMs?: number;
}
