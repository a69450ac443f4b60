import { afterEach, describe, expect, test } from 'vitest';
import type { Source, SourceContext } from '#edge/source/source.ts';
import { eventually, quietly } from './eventually.ts';
import { diskFull, FakeBuffer } from './fake-buffer.ts';

/** One kind of source with the outside world around it, as the contract needs it. */
export interface SourceHarness {
  /** A new source with the same settings, not started. */
  open(context: SourceContext): Source;
  /**
   * Sends one record from outside. Resolves when the source has acknowledged it, rejects when the
   * source refuses it. Absent where records come from nobody (the host's own vitals).
   */
  send?(source: Source, value: string): Promise<void>;
  /** Where the source depends on somebody: takes that away and gives it back. Up at the beginning. */
  world?: { down(): Promise<void>; up(): Promise<void> };
  close(): Promise<void>;
}

/** What every source must keep (DESIGN §1.1, source.ts). */
export function sourceContract(name: string, begin: () => Promise<SourceHarness>): void {
  describe(`contract of a source: ${name}`, () => {
    const cleanups: (() => Promise<void>)[] = [];
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    });

    async function setUp(start = true) {
      const buffer = new FakeBuffer();
      const harness = await begin();
      cleanups.push(() => harness.close());
      const source = harness.open(buffer);
      cleanups.push(async () => {
        buffer.rejects = () => undefined;
        buffer.release();
        await source.stop();
      });
      if (start) {
        await source.start();
        await eventually(() => expect(source.state().state).toBe('running'));
      }
      return { buffer, harness, source };
    }

    test('its state is true from the beginning to the end', async () => {
      const { buffer, harness, source } = await setUp(false);
      expect(source.state()).toMatchObject({ name: source.name, type: source.type });
      expect(source.state().state).toBe('starting');
      await source.start();
      await eventually(() => expect(source.state().state).toBe('running'));
      await harness.send?.(source, 'one');
      await eventually(() => {
        expect(source.state().acceptedRecords).toBe(buffer.records.length);
        expect(buffer.records.length).toBeGreaterThan(0);
      });
      await source.stop();
      expect(source.state().state).toBe('stopped');
    });

    test('stop is idempotent, and nothing is delivered after it', async () => {
      const { buffer, source } = await setUp();
      await Promise.all([source.stop(), source.stop()]);
      const { attempts } = buffer;
      await source.stop();
      await quietly();
      expect(buffer.attempts).toBe(attempts);
    });

    test('stop waits for outstanding deliveries', async () => {
      const { buffer, harness, source } = await setUp();
      buffer.hold();
      const sent = harness.send?.(source, 'last');
      await buffer.until(() => buffer.outstanding > 0);
      let stopped = false;
      const stopping = source.stop().then(() => {
        stopped = true;
      });
      await quietly();
      expect(stopped).toBe(false);
      buffer.release();
      await stopping;
      expect(buffer.outstanding).toBe(0);
      // … and for their acknowledgements.
      await sent;
    });

    test('its positions bear its name', async () => {
      const { buffer, harness, source } = await setUp();
      await harness.send?.(source, 'one');
      await source.stop();
      const moved = buffer.deliveries.flatMap(({ positions }) => [
        ...(positions?.set?.keys() ?? []),
        ...(positions?.delete ?? []),
      ]);
      expect(moved.filter((key) => !key.startsWith(`${source.name}/`))).toEqual([]);
    });

    sending(setUp);
    worldDown(setUp);
  });

  type SetUp = (
    start?: boolean,
  ) => Promise<{ buffer: FakeBuffer; harness: SourceHarness; source: Source }>;

  function sending(setUp: SetUp): void {
    test('acknowledges only what is durable', async () => {
      const { buffer, harness, source } = await setUp();
      if (!harness.send) return expect(source.state().acceptedRecords).toBe(buffer.records.length);
      buffer.hold();
      let acknowledged = 0;
      const sent = ['a', 'b', 'c'].map((value) =>
        harness.send!(source, value).then(() => {
          acknowledged += 1;
        }),
      );
      // Many may be outstanding: no one waits for the acknowledgement of another.
      await buffer.until(() => buffer.offered >= 3);
      await quietly();
      expect(acknowledged).toBe(0);
      buffer.release();
      await Promise.all(sent);
      expect(buffer.values().toSorted()).toEqual(['a', 'b', 'c']);
    });

    test('does not acknowledge what the buffer rejects, and loses nothing by it', async () => {
      const { buffer, harness, source } = await setUp();
      if (!harness.send) return expect(source.state().state).toBe('running');
      let full = true;
      buffer.rejects = () => (full ? diskFull() : undefined);
      let acknowledged = false;
      const { send } = harness;
      const outcome = send(source, 'kept').then(
        () => {
          acknowledged = true;
          return 'acknowledged';
        },
        () => 'refused',
      );
      await buffer.until(() => buffer.attempts > 0 && buffer.outstanding === 0);
      await quietly();
      expect(acknowledged).toBe(false);
      full = false;
      // Whoever was refused sends again; whoever was not told anything is waiting still.
      if ((await outcome) === 'refused') await send(source, 'kept');
      expect(buffer.values()).toEqual(['kept']);
    });
  }

  function worldDown(setUp: SetUp): void {
    test('starts while the outside world is down, says so, and goes on when it is back', async () => {
      const { buffer, harness, source } = await setUp(false);
      await harness.world?.down();
      await source.start();
      if (harness.world) {
        await eventually(() => expect(source.state().state).toBe('degraded'));
        expect(source.state().detail).not.toBe('');
        await harness.world.up();
      }
      await eventually(() => expect(source.state().state).toBe('running'));
      await harness.send?.(source, 'after');
      await buffer.until(() => buffer.records.length > 0);
    });
  }
}
