import { expect, test } from 'vitest';
import type { AclBinding } from '#shared/kafka/kafka.ts';
import { kafkaMissing, kcatMissing } from '../kafka/missing.ts';
import { createTopic, numbered, openCluster, produce, readTopic } from './mirror-sites.ts';
import { House, type Program, runCommand } from './programs.ts';

const alias = 'factory-a';
const topic = 'orders';
const remote = `${alias}.${topic}`;
const day = 86_400_000;

const authorizer = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'super.users': 'User:ANONYMOUS',
};

const within = { timeout: 30_000, interval: 100 };

interface Report {
  topics: number;
  drifts: { topic: string; what: string; severity: string; site: string; central: string }[];
  troubles: object[];
}

/** What the command answers: its exit code, and its report. */
async function audit(central: Program): Promise<{ code: number | null } & Report> {
  const { status } = central.ready;
  const { code, out, err } = await runCommand('central', ['audit', '--json', '--url', status]);
  expect(err).toBe('');
  return { code, ...(JSON.parse(out) as Report) };
}

/** One cluster stands for both: names keep them apart. */
test.skipIf(kafkaMissing ?? kcatMissing)(
  "a topic at central follows the site's, in all that may follow; audit tells before, and nothing after",
  async () => {
    const house = new House();
    const cluster = await openCluster(authorizer);
    const { admin } = cluster.kafka;
    try {
      const binding = (operation: string): AclBinding => ({
        ...{ resourceType: 'topic', resourceName: topic, patternType: 'literal', host: '*' },
        ...{ principal: 'User:reader', operation, permission: 'ALLOW' },
      });
      const prefixed = {
        ...binding('READ'),
        resourceName: 'ord',
        patternType: 'prefixed',
      } as const;
      await createTopic(cluster, topic, 2, {
        'retention.ms': String(day),
        'segment.bytes': '1048576',
        'min.insync.replicas': '1',
        'compression.type': 'gzip',
      });
      await admin.createAcls([binding('READ'), binding('WRITE'), binding('ALL'), prefixed]);
      await produce(cluster, topic, 'k', numbered('k', 0, 10));
      // One that was there before us.
      const older = 'factory-a.older';
      await createTopic(cluster, older, 1, { 'segment.bytes': '2097152' });
      await createTopic(cluster, 'older', 1, { 'segment.bytes': '1048576' });
      await produce(cluster, 'older', 'k', ['k:0']);

      const landing = 'replication_factor = 1';
      const settings = { kafka: cluster.bootstrap, listen: { link: 0, status: 0 } };
      const central = house.central({
        ...settings,
        landingMore: `${landing}\nsync_topic_configs = false`,
      });
      await central.start();
      const source = `[[source]]
type = "kafka"
brokers = ["${cluster.bootstrap}"]
topics = ["orders", "older"]
refresh_interval = "300ms"
acls = true`;
      const edge = house.edge({ alias, central: central.ready.link!, more: source });
      await edge.start();
      for (const name of [remote, older]) {
        await expect.poll(() => readTopic(cluster.kafka, name), within).not.toHaveLength(0);
      }
      await expect.poll(async () => (await audit(central)).topics, within).toBe(2);
      const before = await audit(central);
      expect(before.code).toBe(0);
      expect(before.drifts.filter((one) => one.topic === remote)).toMatchObject([
        { what: 'settings', site: 'segment.bytes = 1048576', severity: 'note' },
      ]);
      // What it was made with is more than the site's day and the longest outage.
      await admin.alterConfigs(topic, { 'retention.ms': String(60 * day) });
      const retention = { what: 'retention', severity: 'warning', site: String(60 * day) };
      await expect
        .poll(async () => (await audit(central)).drifts, within)
        .toContainEqual(expect.objectContaining({ ...retention, central: String(37 * day) }));

      await central.stop();
      const { port: link } = new URL(central.ready.link!);
      const { port: status } = new URL(central.ready.status);
      const following = house.central({
        ...{ ...settings, listen: { link: Number(link), status: Number(status) } },
        landingMore: `${landing}\nsync_topic_acls = true`,
      });
      await following.start();
      const settingOf = async (name: string, of = remote) =>
        (await admin.configs(of)).find((one) => one.name === name)?.value;
      await expect.poll(() => settingOf('segment.bytes'), within).toBe('1048576');
      await expect.poll(() => settingOf('retention.ms'), within).toBe(String(90 * day));
      await expect
        .poll(async () => {
          return (await admin.acls()).filter(({ resourceName }) => resourceName === remote);
        }, within)
        .toEqual([{ ...binding('READ'), resourceName: remote }]);

      // A change at the site is here within seconds; what is excluded is not.
      await admin.growTopic(remote, 4);
      const changed = { 'segment.bytes': '2097152', 'cleanup.policy': 'compact' };
      await admin.alterConfigs(topic, { ...changed, 'unclean.leader.election.enable': 'true' });
      const at = performance.now();
      await expect.poll(() => settingOf('segment.bytes'), within).toBe('2097152');
      expect(performance.now() - at).toBeLessThan(10_000);
      expect(await settingOf('cleanup.policy')).toBe('compact');
      expect(await settingOf('unclean.leader.election.enable')).toBe('false');
      expect(await settingOf('compression.type')).toBe('producer');
      // What the site sets no more is as it was made.
      await admin.alterConfigs(topic, { 'cleanup.policy': null, 'segment.bytes': null });
      await expect.poll(() => settingOf('cleanup.policy'), within).toBe('delete');
      expect(
        (await admin.configs(remote)).find(({ name }) => name === 'segment.bytes'),
      ).toMatchObject({ source: 'default' });
      // Partitions are never fewer; what was there before us is as it was.
      const [info] = await admin.topics([remote]);
      expect(info!.partitions).toHaveLength(4);
      expect(await settingOf('segment.bytes', older)).toBe('2097152');

      const after = await audit(following);
      expect(after.code).toBe(0);
      expect(after.drifts.filter((one) => one.topic === remote)).toMatchObject([
        { what: 'partitions', severity: 'note', site: '2', central: '4' },
      ]);
      expect(after.troubles.filter((one) => (one as { topic: string }).topic === remote)).toEqual(
        [],
      );
      expect(after.drifts.filter((one) => one.topic === older)).not.toEqual([]);
      // A minimum of replicas that the cluster does not have: no record can land.
      await admin.alterConfigs(remote, { 'min.insync.replicas': '2' });
      const danger = await audit(following);
      expect(danger.code).toBe(1);
      expect(danger.drifts[0]).toMatchObject({ what: 'min-isr', severity: 'danger' });
    } finally {
      await house.close();
      await cluster.close();
    }
  },
  180_000,
);
