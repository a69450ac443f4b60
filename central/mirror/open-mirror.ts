import { Signal } from '#shared/std/signal.ts';
import { decodeGroupCheckpoint, type GroupCheckpoint } from '#shared/wire/mm2-checkpoint.ts';
import { Mm2FormatError } from '#shared/wire/mm2-struct.ts';
import { checkpointsTopic } from '#shared/wire/mm2-topics.ts';
import { applyGroup, GroupFollower } from './group-follower.ts';
import type { GroupView, Mirror, MirrorHost, MirrorOptions } from './mirror.ts';
import { readWhole } from './read-whole.ts';
import { ReportBook } from './report-book.ts';
import { runRounds } from './rounds.ts';
import { ShardIndex } from './shard-index.ts';
import { SiteMirror } from './site-mirror.ts';
import { tellsOfTopics } from './site-topics.ts';
import { openTopics, type Topics } from './topics.ts';

const intervalMsDefault = 1_000;
const offsetSyncIntervalMsDefault = 10_000;

export function openMirror(options: MirrorOptions): Mirror {
  return new WholeMirror(options);
}

interface Site {
  mirror: SiteMirror;
  book: ReportBook;
  /** Reports of which it is not known yet whether they are committed. */
  reporting: number;
  /** undefined: another collector's, translated only for those who ask. */
  term: number | undefined;
}

/** All sites: those that are ours in the background, others when somebody asks. */
class WholeMirror implements Mirror {
  readonly #options: MirrorOptions;
  readonly #sites = new Map<string, Site>();
  /** By the index's partition. */
  readonly #indexes = new Map<number, ShardIndex>();
  /** Sites with something to be written, as of the last round. */
  readonly #due = new Set<string>();
  readonly #soon = new Signal();
  readonly #stopped = new AbortController();
  readonly #follower: GroupFollower | undefined;
  readonly #topics: Topics;
  readonly #done: Promise<void>;
  #working: Promise<unknown> = Promise.resolve();

  constructor(options: MirrorOptions) {
    this.#options = options;
    const { landing, clock, log, syncGroupOffsets, intervalMs = intervalMsDefault } = options;
    landing.attach({
      waiting: () => this.#due,
      due: (alias) => {
        const due = this.#ours(alias)?.mirror.due();
        if (!due) this.#due.delete(alias);
        return due;
      },
    });
    if (syncGroupOffsets) {
      const { ofOneSite } = landing;
      this.#follower = new GroupFollower({ ...landing.kafka, clock, log, ofOneSite });
    }
    this.#topics = openTopics(options);
    this.#done = runRounds(
      {
        ...{ clock, log, intervalMs, soon: this.#soon, signal: this.#stopped.signal },
        failing: 'groups are not translated yet',
      },
      () => this.#work(),
    );
  }

  report(...[alias, report]: Parameters<Mirror['report']>): ReturnType<Mirror['report']> {
    const { landing, clock } = this.#options;
    const site = this.#site(alias);
    const reported = site.book.report(report, landing.facts(alias) ?? new Map(), clock.now());
    site.reporting += 1;
    return {
      ...reported,
      failed: () => {
        site.reporting -= 1;
        reported.failed();
      },
      committed: () => {
        site.reporting -= 1;
        reported.committed();
        this.#ours(alias)?.mirror.follow();
        this.#soon.notify();
        if (tellsOfTopics(reported.facts)) this.#topics.changed(alias);
      },
    };
  }

  async groups(alias?: string): Promise<GroupView[]> {
    const { landing } = this.#options;
    const aliases = alias === undefined ? landing.aliases() : [alias];
    const known = aliases.filter((one) => landing.facts(one)).sort();
    await this.#bringUp(known, () => true);
    return known.flatMap((one) => [...this.#site(one).mirror.views()]);
  }

  async apply(...[alias, group, { dryRun }]: Parameters<Mirror['apply']>) {
    const views = await this.groups(alias);
    const mine = views.filter((view) => view.group === group);
    return applyGroup(this.#options.landing.kafka.admin, group, mine, dryRun);
  }

  async audit(...[alias, backlogAge]: Parameters<Mirror['audit']>) {
    const { landing } = this.#options;
    const aliases = alias === undefined ? landing.aliases().sort() : [alias];
    return this.#topics.audit(aliases, backlogAge);
  }

  async close(): Promise<void> {
    this.#stopped.abort();
    await Promise.all([this.#done, this.#topics.close()]);
    await this.#working;
  }

  /** One round: what has landed, what follows from it, and what is due then. */
  async #work(): Promise<void> {
    const { landing } = this.#options;
    const ours = landing.aliases().filter((alias) => landing.term(alias) !== undefined);
    const kept = new Set(landing.aliases());
    for (const [alias, { reporting }] of this.#sites) {
      if (!kept.has(alias) && reporting === 0) this.#sites.delete(alias);
    }
    await this.#bringUp(ours, (site) => site.term === undefined);
    for (const alias of this.#due) if (this.#ours(alias)) landing.nudge(alias);
    const views = () => ours.flatMap((alias) => [...(this.#ours(alias)?.mirror.views() ?? [])]);
    await this.#follower?.follow(views);
  }

  /** Translates these sites' positions by all that has landed until now; one round at a time. */
  #bringUp(aliases: readonly string[], refresh: (site: Site) => boolean): Promise<void> {
    const work = this.#working.then(async () => {
      const sites = aliases.map((alias) => {
        const site = this.#site(alias);
        if (refresh(site)) site.mirror.follow();
        return { alias, site, settled: site.mirror.settled() };
      });
      const indexes = new Set(aliases.map((alias) => this.#index(alias)));
      for (const index of indexes) await index.catchUp();
      for (const { alias, site, settled } of sites) {
        await site.mirror.translateAll(settled);
        if (site.term !== undefined) await this.#load(alias, site);
        if (site.term !== undefined && site.mirror.due()) this.#due.add(alias);
      }
    });
    this.#working = work.catch(() => {});
    return work;
  }

  /** Without it nothing is written; whoever asks for the groups is answered all the same. */
  async #load(alias: string, { mirror }: Site): Promise<void> {
    try {
      await mirror.load();
    } catch (error) {
      const topic = checkpointsTopic(alias);
      this.#options.log.warn({ topic, err: error }, 'cannot be read: nothing is written there');
    }
  }

  #ours(alias: string): Site | undefined {
    const site = this.#sites.get(alias);
    return site?.term !== undefined && site.term === this.#options.landing.term(alias)
      ? site
      : undefined;
  }

  /** Begun anew with each change of owner: what another wrote meanwhile is read again. */
  #site(alias: string): Site {
    const { landing, clock, offsetSyncIntervalMs = offsetSyncIntervalMsDefault } = this.#options;
    const term = landing.term(alias);
    const known = this.#sites.get(alias);
    if (known && known.term === term) return known;
    const mirror = new SiteMirror({
      ...{ alias, landing, clock, offsetSyncIntervalMs, index: this.#index(alias) },
      readCheckpoints: () => checkpointsOf(landing, alias),
    });
    mirror.follow();
    const site = { mirror, book: new ReportBook(), reporting: 0, term };
    this.#sites.set(alias, site);
    return site;
  }

  #index(alias: string): ShardIndex {
    const { landing } = this.#options;
    const at = landing.indexOf(alias);
    const known = this.#indexes.get(at.partition);
    if (known) return known;
    const index = new ShardIndex({
      ...{ kafka: landing.kafka, at, readEntry: landing.readEntry },
      landed: (entry) => this.#sites.get(entry.alias)?.mirror.landed(entry),
    });
    this.#indexes.set(at.partition, index);
    return index;
  }
}

/** What MirrorMaker 2's readers would find; the last one of a key counts. */
async function checkpointsOf({ kafka }: MirrorHost, alias: string): Promise<GroupCheckpoint[]> {
  const found = new Map<string, GroupCheckpoint>();
  await readWhole(kafka, checkpointsTopic(alias), ({ key, value }, partition) => {
    if (partition !== 0) return;
    try {
      const checkpoint = decodeGroupCheckpoint({ key, value });
      const { group, topic, partition } = checkpoint;
      found.set(JSON.stringify([group, topic, partition]), checkpoint);
    } catch (error) {
      // Somebody else's; Apache's readers pass over such ones, too.
      if (!(error instanceof Mm2FormatError)) throw error;
    }
  });
  return [...found.values()];
}
