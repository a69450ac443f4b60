import { connect, connectAsync } from 'mqtt';
import { describe, expect, test } from 'vitest';
import { mqttLimits } from '#edge/source/mqtt-limits.ts';
import { eventually } from '../../contract/eventually.ts';
import { FakeBuffer } from '../../contract/fake-buffer.ts';
import { Mosquitto, mosquittoMissing } from '../../system/mosquitto.ts';
import { MqttWire } from '../../system/mqtt-wire.ts';
import { openClient, openListener } from './mqtt-world.ts';

const bytes = 100_000;
const enough = Math.ceil((mqttLimits.outstandingBytes * 1.5) / bytes);

describe.skipIf(mosquittoMissing)(`a stalled buffer ${mosquittoMissing ?? ''}`, () => {
  test('costs the client no connection, however short its keep-alive', async () => {
    const broker = await Mosquitto.start(['max_inflight_messages 1000']);
    const wire = await MqttWire.start(broker.port);
    const buffer = new FakeBuffer();
    const source = openClient(buffer, { url: wire.url, keepaliveSeconds: 1 });
    await source.start();
    await eventually(() => expect(source.state().state).toBe('running'));
    buffer.hold();
    const client = connect(broker.url);
    const payload = Buffer.alloc(bytes);
    for (let n = 0; n < enough; n += 1) client.publish('a', payload, { qos: 1 });
    await buffer.until(() => buffer.offered * bytes >= mqttLimits.outstandingBytes);
    // Four times as long as the broker waits for a sign of life.
    const stallMs = 6_000;
    await new Promise((resolve) => setTimeout(resolve, stallMs));
    expect(wire.of('client', 'pingreq').length).toBeGreaterThan(3);
    expect(buffer.offered).toBeLessThan(enough);
    buffer.release();
    await buffer.until(() => buffer.records.length === enough);
    expect(wire.connections).toBe(1);
    await source.stop();
    await client.endAsync(true);
    await wire.close();
    await broker.remove();
  });
});

test('a stalled buffer costs no client of the listener its connection', async () => {
  const buffer = new FakeBuffer();
  const source = openListener(buffer);
  await source.start();
  buffer.hold();
  const client = await connectAsync(source.address!, { keepalive: 4, reconnectPeriod: 0 });
  let closed = false;
  client.on('close', () => {
    closed = true;
  });
  const sent = Array.from({ length: 100 }, (_, n) =>
    client.publishAsync('a', Buffer.alloc(bytes), { qos: n % 2 === 0 ? 1 : 2 }),
  );
  await buffer.until(() => buffer.offered * bytes >= mqttLimits.clientBytes);
  const stallMs = 3_000;
  await new Promise((resolve) => setTimeout(resolve, stallMs));
  expect(closed).toBe(false);
  buffer.release();
  await Promise.all(sent);
  expect(buffer.records).toHaveLength(100);
  await client.endAsync(true);
  await source.stop();
});
