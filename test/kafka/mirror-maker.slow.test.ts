import { expect, onTestFinished, test, vi } from 'vitest';
import { javaRead, javaWrite } from './clients.ts';
import { startKafka } from './kafka.ts';
import { mirrorMakerFlow, mirrorView, singleReplicas, startMirrorMaker } from './mirror-maker.ts';
import { kafkaMissing } from './missing.ts';
import { mirrorFormat, topics } from './tools.ts';

test.skipIf(kafkaMissing)(
  'MirrorMaker 2 mirrors one cluster into another, and its own client and formatters see it',
  async () => {
    const [site, central] = await Promise.all([startKafka(), startKafka()]);
    onTestFinished(() => site.close());
    onTestFinished(() => central.close());
    const topic = 'sensor-data';
    await javaWrite(site.bootstrap, [
      { do: 'create', topic },
      { do: 'generate', topic, count: 300, bytes: 20 },
    ]);
    await javaRead(site.bootstrap, { topics: [topic], group: 'dashboard', commit: true });
    const mirror = await startMirrorMaker({
      properties: {
        clusters: 'factory-a, central',
        'central.bootstrap.servers': central.bootstrap,
        ...mirrorMakerFlow(site.bootstrap, 'factory-a'),
        ...singleReplicas,
        'emit.checkpoints.interval.seconds': '1',
        'offset.flush.interval.ms': '1000',
      },
      clusters: ['central'],
    });
    onTestFinished(() => mirror.close());
    const view = await vi.waitFor(
      async () => {
        const seen = await mirrorView(central.bootstrap, 'factory-a', ['dashboard']);
        expect(seen.groups.dashboard!.translateOffsets.length, mirror.log()).toBe(1);
        return seen;
      },
      { timeout: 60_000, interval: 500 },
    );
    expect(view.remoteTopicsOfAlias).toContain('factory-a.sensor-data');
    expect(view.groups.dashboard!.translateOffsets).toEqual([
      { topic: 'factory-a.sensor-data', partition: 0, offset: expect.any(Number), metadata: '' },
    ]);
    const remote = await javaRead(central.bootstrap, { topics: ['factory-a.sensor-data'] });
    expect(remote.length).toBe(300);
    const printed = await Promise.all([
      mirrorFormat(central.bootstrap, 'factory-a.checkpoints.internal', 'Checkpoint', 1),
      mirrorFormat(central.bootstrap, 'heartbeats', 'Heartbeat', 1),
      mirrorFormat(site.bootstrap, 'mm2-offset-syncs.central.internal', 'OffsetSync', 1),
    ]);
    expect(printed).toEqual([
      expect.stringContaining('dashboard'),
      expect.stringContaining('factory-a'),
      expect.stringContaining('sensor-data'),
    ]);
    expect(await topics(central.bootstrap, ['--list'])).toContain('mm2-offsets.factory-a.internal');
  },
  150_000,
);
