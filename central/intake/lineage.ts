/**
 * The family tree of an alias' buffers, as far as central let them in: per epoch, the runs
 * (sessions) that said hello under it, each with its parent (the run it continues) and where its
 * own records begin. Two copies of a buffer hold the same records up to where the first run that
 * only one of them has begins, and nothing says so about the records behind.
 *
 * Every epoch has one owner, the run that may append to it. Runs that landed something ("used") are
 * always the owner or its ancestors: a run may only take over from a relative that landed nothing
 * since they parted, all others fork (hello.ts). So what landed under an epoch is one unbranched
 * history.
 */
export interface Lineage {
  /** Least recently opened first. */
  epochs: EpochLine[];
}

export interface EpochLine {
  epoch: string;
  /** What the oldest run continued; what was forgotten ends here too. */
  root: string | null;
  /** Session of the run that may append. */
  owner: string;
  /** Parents before children. */
  runs: Run[];
}

export interface Run {
  session: string;
  /** Session of the run it continues; null: the line's root. */
  parent: string | null;
  /** It was let in itself; otherwise another one says that it continues it. */
  came: boolean;
  /** It landed something. */
  used: boolean;
  /**
   * Highest sequence that its ancestors had appended, by `topic/partition`, where that differs from
   * what its parent says; -1 where nobody says.
   */
  starts: Map<string, number>;
}

export interface LineageBounds {
  epochs: number;
  /** Per epoch. */
  runs: number;
  /** Per epoch. */
  starts: number;
  textBytes: number;
}

const lineageBounds: LineageBounds = {
  epochs: 50,
  runs: 500,
  starts: 20_000,
  textBytes: 1024 * 1024,
};

export const localKey = (stream: { topic: string; partition: number }): string =>
  `${stream.topic}/${stream.partition}`;

export const lineOf = (lineage: Lineage, epoch: string): EpochLine | undefined =>
  lineage.epochs.find((line) => line.epoch === epoch);

export const runOf = (line: EpochLine, session: string | null): Run | undefined =>
  session === null ? undefined : line.runs.find((run) => run.session === session);

/** From the line's first run down to `session`; empty for the root. */
export function pathTo(line: EpochLine, session: string | null): Run[] {
  const path: Run[] = [];
  for (let run = runOf(line, session); run; run = runOf(line, run.parent)) path.unshift(run);
  return path;
}

/** Where the records of the last run of `path` begin: the highest sequence before them. */
export function startOf(path: readonly Run[], stream: string): number {
  return path.findLast((run) => run.starts.has(stream))?.starts.get(stream) ?? -1;
}

/** Adds a run, remembering of its starts only what its parent does not say already. */
export function addRun(
  line: EpochLine,
  session: string,
  parent: string | null,
  starts: ReadonlyMap<string, number>,
): void {
  const path = pathTo(line, parent);
  const own = [...starts].filter(([stream, start]) => startOf(path, stream) !== start);
  line.runs.push({ session, parent, came: false, used: false, starts: new Map(own) });
}

/**
 * Forgets the oldest until it is small enough. To know less only ever means more caution
 * (hello.ts).
 */
function trim(lineage: Lineage, bounds: LineageBounds): void {
  lineage.epochs.splice(0, Math.max(0, lineage.epochs.length - bounds.epochs));
  for (const line of lineage.epochs) {
    while (
      line.runs.length > bounds.runs ||
      (line.runs.length > 1 && startsIn(line) > bounds.starts)
    ) {
      forgetOldest(line);
    }
  }
}

const startsIn = (line: EpochLine): number =>
  line.runs.reduce((sum, { starts }) => sum + starts.size, 0);

/** Its children begin at the root; side branches that begin at the root already go with it. */
function forgetOldest(line: EpochLine): void {
  const oldest = line.runs[0]!;
  if (oldest.session === line.owner) {
    line.runs = [oldest];
    return;
  }
  const onPath = pathTo(line, line.owner).includes(oldest);
  const gone = new Set<string | null>([onPath ? null : oldest.session]);
  line.runs = line.runs.filter((run) => {
    if (run === oldest) return false;
    if (gone.has(run.parent)) {
      gone.add(run.session);
      return false;
    }
    if (run.parent === oldest.session) {
      run.parent = null;
      for (const [stream, start] of oldest.starts) {
        if (!run.starts.has(stream)) run.starts.set(stream, start);
      }
    }
    return true;
  });
  if (onPath) line.root = oldest.session;
}

interface Stored {
  version: 1;
  epochs: {
    epoch: string;
    root: string | null;
    owner: string;
    streams: string[];
    runs: [session: string, parent: string | null, state: number, starts: number[]][];
  }[];
}

/**
 * Within the bounds (at most 1 MiB, all ASCII): what does not fit is forgotten, the oldest first.
 */
export function formatLineage(lineage: Lineage, bounds = lineageBounds): string {
  trim(lineage, bounds);
  for (;;) {
    const text = JSON.stringify({ version: 1, epochs: lineage.epochs.map(store) } satisfies Stored);
    if (text.length <= bounds.textBytes) return text;
    const longest = lineage.epochs.find((line) => line.runs.length > 1);
    if (longest) forgetOldest(longest);
    else if (lineage.epochs.length > 1) lineage.epochs.shift();
    else for (const run of lineage.epochs[0]!.runs) run.starts.clear();
  }
}

function store(line: EpochLine): Stored['epochs'][number] {
  const { epoch, root, owner } = line;
  const numbers = new Map<string, number>();
  const numberOf = (stream: string): number => {
    const number = numbers.get(stream) ?? numbers.size;
    numbers.set(stream, number);
    return number;
  };
  const runs = line.runs.map((run): Stored['epochs'][number]['runs'][number] => [
    run.session,
    run.parent,
    (run.came ? 1 : 0) + (run.used ? 2 : 0),
    [...run.starts].flatMap(([stream, start]) => [numberOf(stream), start]),
  ]);
  return { epoch, root, owner, streams: [...numbers.keys()], runs };
}

/** Throws an Error for a text that is not ours: a newer version, or damage. */
export function parseLineage(text: string): Lineage {
  if (text === '') return { epochs: [] };
  const stored = JSON.parse(text) as Stored;
  if (stored.version !== 1) throw new Error(`lineage of version ${stored.version}, not 1`);
  return { epochs: stored.epochs.map(restore) };
}

function restore(stored: Stored['epochs'][number]): EpochLine {
  const { epoch, root, owner, streams } = stored;
  const runs = stored.runs.map(([session, parent, state, starts]): Run => {
    const map = new Map<string, number>();
    for (let i = 0; i < starts.length; i += 2) map.set(streams[starts[i]!]!, starts[i + 1]!);
    return { session, parent, came: (state & 1) !== 0, used: (state & 2) !== 0, starts: map };
  });
  return { epoch, root, owner, runs };
}
