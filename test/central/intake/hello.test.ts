import { describe, expect, test } from 'vitest';
import { decideHello, type HelloState, noState } from '#central/intake/hello.ts';
import type { EpochLine, Run } from '#central/intake/lineage.ts';
import type { Hello, HelloStream } from '#shared/wire/link.ts';

/** One stream `t/0` unless said otherwise; names instead of 32 digits. */
const stream = (over: Partial<HelloStream> = {}): HelloStream => ({
  epoch: 'E',
  topic: 't',
  partition: 0,
  head: 20,
  cursor: 10,
  confirmed: 20,
  ...over,
});

const hello = (over: Partial<Hello> = {}): Hello => ({
  version: 1,
  alias: 'factory-a',
  epoch: 'E',
  session: 'S2',
  previous: 'S1',
  centralId: 'central',
  agent: 'test',
  clock: 0,
  streams: [stream()],
  ...over,
});

const run = (session: string, parent: string | null, start: number, used = true): Run => ({
  session,
  parent,
  came: true,
  used,
  starts: new Map([['t/0', start]]),
});

const line = (owner: string, ...runs: Run[]): EpochLine => ({
  epoch: 'E',
  root: null,
  owner,
  runs,
});

/** S1 landed through 12. */
const state = (over: Partial<HelloState> & { through?: number } = {}): HelloState => ({
  epoch: 'E',
  session: 'S1',
  adoptAllowed: false,
  lineage: { epochs: [line('S1', run('S1', null, -1))] },
  throughOf: ({ epoch }) => (epoch === 'E' ? (over.through ?? 12) : -1),
  streamsOf: (epoch) => (epoch === 'E' ? [{ epoch, topic: 't', partition: 0 }] : []),
  sources: noState.sources,
  ...over,
});

const outcome = (known: HelloState, said: Hello): string => {
  const decision = decideHello(known, said);
  return decision.outcome === 'fork' ? `fork ${decision.scope}` : decision.outcome;
};

describe('a buffer that goes on', () => {
  test('is let in at its first hello', () => {
    const first = hello({ previous: null, centralId: null, streams: [stream({ cursor: -1 })] });
    const decision = decideHello(noState, first);
    expect(decision).toMatchObject({ outcome: 'accepted', changed: true, holes: [] });
  });

  test('is let in after a restart, and its run becomes the owner', () => {
    const decision = decideHello(state(), hello());
    expect(decision).toMatchObject({
      outcome: 'accepted',
      changed: true,
      lineage: { epochs: [{ owner: 'S2', runs: [{ session: 'S1' }, { parent: 'S1' }] }] },
    });
  });

  test('may repeat its hello, and nothing changes', () => {
    const decision = decideHello(state(), hello({ session: 'S1', previous: null }));
    expect(decision).toMatchObject({ outcome: 'accepted', changed: false });
  });

  test('is let in when the answer to the run before was lost', () => {
    const runs = [run('S1', null, -1), run('lost', 'S1', 15, false)];
    const known = state({ session: 'lost', lineage: { epochs: [line('lost', ...runs)] } });
    expect(outcome(known, hello())).toBe('accepted');
  });

  test('is let in when central knows more of its runs than it does itself', () => {
    const runs = [run('S1', null, -1), run('lost', 'S1', 10)];
    const known = state({ session: 'lost', lineage: { epochs: [line('lost', ...runs)] } });
    const said = hello({ unconfirmed: ['lost'], streams: [stream({ confirmed: 10, ends: [18] })] });
    expect(decideHello(known, said)).toMatchObject({
      outcome: 'accepted',
      lineage: { epochs: [{ owner: 'S2', runs: [{}, {}, { session: 'S2', parent: 'lost' }] }] },
    });
  });

  test('is let in with runs in between that central never saw', () => {
    const said = hello({
      unconfirmed: ['U', 'V'],
      streams: [stream({ confirmed: 12, ends: [15, 18] })],
    });
    expect(decideHello(state(), said)).toMatchObject({
      outcome: 'accepted',
      lineage: {
        epochs: [
          {
            runs: [
              { session: 'S1' },
              { session: 'U', parent: 'S1', came: false, starts: new Map([['t/0', 12]]) },
              { session: 'V', parent: 'U', came: false, starts: new Map([['t/0', 15]]) },
              { session: 'S2', parent: 'V', came: true, starts: new Map([['t/0', 18]]) },
            ],
          },
        ],
      },
    });
  });

  test('is let in when another copy was let in meanwhile and landed nothing', () => {
    const runs = [run('S1', null, -1), run('copy', 'S1', 15, false)];
    const known = state({ session: 'copy', lineage: { epochs: [line('copy', ...runs)] } });
    expect(outcome(known, hello({ session: 'S1', previous: null }))).toBe('accepted');
  });

  test('takes its own epoch back after a copy with another epoch fenced it', () => {
    const other = { ...line('C', run('C', null, -1)), epoch: 'F' };
    const known = state({ epoch: 'F', session: 'C' });
    known.lineage.epochs.push(other);
    expect(decideHello(known, hello({ session: 'S1' }))).toMatchObject({
      outcome: 'accepted',
      changed: true,
    });
  });

  test('is let in with a new epoch, and with what is left of older ones', () => {
    const left = stream({ head: 12, confirmed: 12 });
    const streams = [left, stream({ epoch: 'new', cursor: -1, confirmed: -1 })];
    expect(outcome(state(), hello({ epoch: 'new', streams }))).toBe('accepted');
    expect(outcome(state({ through: 1000 }), hello({ epoch: 'new', streams }))).toBe('accepted');
  });
});

describe('a buffer that is a copy', () => {
  const gone = (start: number) =>
    state({
      session: 'S3',
      through: 30,
      lineage: { epochs: [line('S3', run('S1', null, -1), run('S3', 'S1', start))] },
    });

  test('forks what nobody confirmed when its original has gone on', () => {
    const restored = hello({ streams: [stream({ confirmed: 15 })] });
    expect(outcome(gone(18), restored)).toBe('fork unconfirmed');
  });

  test('keeps in the old epoch only what it shares with the copy that went on', () => {
    expect(decideHello(gone(14), hello({ streams: [stream({ confirmed: 18 })] }))).toMatchObject({
      outcome: 'fork',
      scope: 'all',
      keep: [{ epoch: 'E', topic: 't', partition: 0, through: 14 }],
    });
  });

  test('forks as the original, when a copy took its epoch over', () => {
    expect(decideHello(gone(14), hello({ session: 'S1', previous: null }))).toMatchObject({
      outcome: 'fork',
      scope: 'all',
      keep: [{ through: 14 }],
    });
  });

  test('forks when more has landed than it inherited, however much it appended since', () => {
    const restored = hello({ streams: [stream({ head: 5000, cursor: 3, confirmed: 5 })] });
    expect(outcome(state(), restored)).toBe('fork unconfirmed');
  });

  test('forks when it lacks a stream that has landed', () => {
    expect(outcome(state(), hello({ streams: [] }))).toBe('fork unconfirmed');
    expect(outcome(state({ through: -1 }), hello({ streams: [] }))).toBe('accepted');
  });

  test('keeps all that it shares with a run that went on before it was confirmed', () => {
    const runs = [run('S1', null, -1), run('U', 'S1', 8)];
    const known = state({ session: 'U', through: 30, lineage: { epochs: [line('U', ...runs)] } });
    const image = { confirmed: 8, ends: [15], cursor: 5 };
    expect(
      decideHello(known, hello({ unconfirmed: ['U'], streams: [stream(image)] })),
    ).toMatchObject({ outcome: 'fork', scope: 'all', keep: [{ through: 15 }] });
    const older = { ...image, ends: [12, 15] };
    expect(
      decideHello(known, hello({ unconfirmed: ['U', 'V'], streams: [stream(older)] })),
    ).toMatchObject({ outcome: 'fork', scope: 'all', keep: [{ through: 12 }] });
  });

  test('forks when it was made before the first contact', () => {
    const young = hello({ previous: null, streams: [stream({ confirmed: -1, cursor: -1 })] });
    expect(outcome(state(), young)).toBe('fork unconfirmed');
  });

  test('moves everything when a running machine was put back in time', () => {
    const back = hello({ session: 'S1', streams: [stream({ head: 11, confirmed: 11 })] });
    expect(decideHello(state(), back)).toMatchObject({ outcome: 'fork', scope: 'all', keep: [] });
  });

  test('leaves nothing of its own in an epoch that it left and another one went on in', () => {
    const left = stream({ head: 20, confirmed: 18 });
    expect(decideHello(gone(14), hello({ epoch: 'new', streams: [left] }))).toMatchObject({
      outcome: 'fork',
      scope: 'all',
      keep: [{ through: 14 }],
    });
  });

  test('may not name the session of its old epoch under the new one', () => {
    expect(outcome(state(), hello({ epoch: 'new', session: 'S1', streams: [] }))).toBe('refused');
  });
});

describe('a buffer that central does not recognise', () => {
  const unknown = (over: Partial<HelloStream>) =>
    hello({ previous: 'never seen', streams: [stream(over)] });

  test('goes on when all that landed is gone at the edge', () => {
    expect(outcome(state(), unknown({ cursor: 12 }))).toBe('accepted');
  });

  test('moves all that it holds when some of it may have landed as something else', () => {
    expect(decideHello(state(), unknown({ cursor: 11 }))).toMatchObject({
      outcome: 'fork',
      scope: 'all',
      keep: [],
    });
  });

  test('is judged the same when the lineage of its epoch was forgotten', () => {
    const forgot = state({ lineage: { epochs: [] } });
    expect(outcome(forgot, hello({ streams: [stream({ cursor: 12 })] }))).toBe('accepted');
    expect(outcome(forgot, hello())).toBe('fork all');
  });
});

describe('a central that lacks what it acknowledged', () => {
  const holes = [{ epoch: 'E', topic: 't', partition: 0, first: 13, span: 3 }];
  const ahead = hello({ streams: [stream({ cursor: 15 })] });

  test('asks for a person, and names the holes', () => {
    const decision = decideHello(state(), ahead);
    expect(decision).toMatchObject({ outcome: 'adopt-needed', holes });
    expect((decision as { reason: string }).reason).toMatch(
      /3 records in 1 streams.*edges adopt factory-a/,
    );
  });

  test('asks also when it never saw the site: another central acknowledged', () => {
    expect(decideHello(noState, ahead)).toMatchObject({
      outcome: 'adopt-needed',
      holes: [{ first: 0, span: 16 }],
    });
  });

  test('lets the site in with its holes once a person allowed it', () => {
    const decision = decideHello(state({ adoptAllowed: true }), ahead);
    expect(decision).toMatchObject({ outcome: 'accepted', changed: true, holes });
  });

  test('asks for a person also about older epochs', () => {
    const streams = [stream({ cursor: 15 }), stream({ epoch: 'new', cursor: -1, confirmed: -1 })];
    expect(outcome(state(), hello({ epoch: 'new', streams }))).toBe('adopt-needed');
  });

  test('lets a site go on that central, put back in time, takes for its last run', () => {
    const known = state({ through: 5 });
    const ran = hello({ session: 'S1', streams: [stream({ cursor: 5 })] });
    expect(outcome(known, ran)).toBe('accepted');
  });
});
