import { expect, onTestFinished } from 'vitest';
import { runCentral } from '#central/cli.ts';
import { openKafka } from '#shared/kafka/open-kafka.ts';
import { silentLog } from '#shared/std/log.ts';
import { javaRead, javaWrite, type ReadRecord } from '../kafka/clients.ts';
import { startKafka } from '../kafka/kafka.ts';
import { mirrorView } from '../kafka/mirror-maker.ts';
import { capturedIo } from '../shared/std/captured-io.ts';
import { LightEdge } from './light-edge.ts';
import { House } from './programs.ts';

const alias = 'factory-a';
const topic = 'orders';

/** The values that a group read, of this site. */
const valuesOf = (records: readonly ReadRecord[]): string[] =>
  records
    .filter(
      ({ headers }) => String(headers.find(([name]) => name === 'tributary.alias')?.[1]) === alias,
    )
    .map(({ value }) => String(value));

/**
 * A Java consumer group at a site stops so many records before the end, and goes on at central, in the
 * remote topic and in the merged one, where another site's records stand between.
 */
export async function resumeGroups(total: number, behind: readonly number[]): Promise<void> {
  const { bootstrap, close } = await startKafka({ heapMb: 512 });
  onTestFinished(close);
  const kafka = openKafka({ brokers: [bootstrap], clientId: 'site' }, { log: silentLog });
  onTestFinished(() => kafka.close());
  const house = new House();
  const more = `[[flow]]\ninto = "all-orders"\nfrom = ["*.${topic}"]`;
  const landingMore = 'sync_group_offsets = true';
  const central = house.central({ kafka: bootstrap, landingMore, more });
  const { link, status } = await central.start();

  // Transactions' markers and an aborted one: offsets that never became a record.
  const chunk = Math.ceil(total / 5);
  await javaWrite(
    bootstrap,
    [
      { do: 'create', topic },
      ...Array.from({ length: 5 }, (_, i) => [
        { do: 'begin' } as const,
        {
          do: 'generate',
          topic,
          count: i < 4 ? chunk : total - 4 * chunk,
          bytes: 30,
          seed: i,
        } as const,
        { do: 'commit' } as const,
        { do: 'begin' } as const,
        { do: 'generate', topic, count: 7, bytes: 30, seed: 99 } as const,
        { do: 'abort' } as const,
      ]).flat(),
    ],
    { 'transactional.id': 'orders-of-the-site' },
  );
  const site = house.edge({
    ...{ alias, central: link! },
    more: `[[source]]\ntype = "kafka"\nbrokers = ["${bootstrap}"]\ntopics = ["${topic}"]`,
  });
  const other = await LightEdge.open({
    ...{ alias: 'store-1', urls: [link!], folder: house.folder, partitions: 1 },
  });
  onTestFinished(() => other.close());

  // While the groups read at the site, two sites' records land one between the other.
  const read = new Map<string, string[]>();
  const all = await javaRead(bootstrap, { topics: [topic], timeoutMs: 240_000 });
  const values = all.map(({ value }) => String(value));
  expect(values).toHaveLength(total);
  await site.start();
  for (let sent = 0; sent < total / 3; sent += 500) {
    await other.publish(
      topic,
      'k',
      Array.from({ length: 500 }, (_, i) => `other ${sent + i}`),
    );
  }
  for (const count of behind) {
    const group = `dashboard-${count}`;
    const records = await javaRead(bootstrap, {
      ...{ topics: [topic], group, commit: true, max: total - count, timeoutMs: 240_000 },
    });
    read.set(
      group,
      records.map(({ value }) => String(value)),
    );
    expect(read.get(group)).toHaveLength(total - count);
  }

  const cli = async (...argv: string[]) => {
    const io = capturedIo();
    const code = await runCentral(['translate', '--url', status, '--alias', alias, ...argv], io);
    expect({ code, errors: io.errors() }).toEqual({ code: 0, errors: '' });
    return io.output();
  };
  const groups = async () => {
    const answer = await fetch(`${status}/api/v1/groups?alias=${alias}`);
    return ((await answer.json()) as { groups: GroupJson[] }).groups;
  };
  await expect
    .poll(
      async () =>
        (await groups())
          .filter(isExact)
          .map(({ group }) => group)
          .sort(),
      {
        ...{ timeout: 60_000, interval: 200 },
      },
    )
    .toEqual([...read.keys()].sort());

  const told = await groups();
  await expect
    .poll(
      async () => {
        const view = await mirrorView(bootstrap, alias, [...read.keys()]);
        return told.map(({ group }) => view.groups[group]!.translateOffsets);
      },
      { timeout: 60_000, interval: 1_000 },
    )
    .toEqual(
      told.map(({ remote }) => {
        return [{ topic: remote!.topic, partition: 0, offset: remote!.offset, metadata: '' }];
      }),
    );

  // They follow by themselves in the remote topic; a person says so for the merged one.
  await expect
    .poll(
      async () => {
        const all = await Promise.all(told.map(({ group }) => kafka.admin.groupOffsets(group)));
        return all.map(
          (offsets) => offsets.find((one) => one.topic === `${alias}.${topic}`)?.offset,
        );
      },
      { timeout: 60_000, interval: 500 },
    )
    .toEqual(told.map(({ remote }) => remote!.offset));

  for (const [group, before] of read) {
    expect(await cli('--group', group)).toMatch(/factory-a\.orders +[\d ]+ +exact/);
    const applied = await cli('--group', group, '--apply');
    expect(applied).toMatch(
      new RegExp(`^${group} goes on at central at\\n  all-orders/0 \\d+\\n$`),
    );
    for (const central of [`${alias}.${topic}`, 'all-orders']) {
      const records = await javaRead(bootstrap, {
        ...{ topics: [central], group, timeoutMs: 240_000 },
      });
      // Neither one record twice nor one left out.
      const after = valuesOf(records);
      expect(after.length).toBe(total - before.length);
      expect([...before, ...after].join('\n') === values.join('\n')).toBe(true);
    }
  }
}

interface GroupJson {
  group: string;
  remote: { topic: string; offset: number; exact: boolean } | null;
  merged: { topic: string; exact: boolean }[];
}

const isExact = ({ remote, merged }: GroupJson): boolean =>
  remote?.exact === true && merged.length === 1 && merged[0]!.exact;
