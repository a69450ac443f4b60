import { connect } from 'mqtt';
import { describe } from 'vitest';
import { sourceContract } from '../../contract/source.ts';
import { Mosquitto, mosquittoMissing } from '../../system/mosquitto.ts';
import { MqttWire } from '../../system/mqtt-wire.ts';
import { openClient, openListener } from './mqtt-world.ts';

for (const qos of [1, 2] as const) {
  sourceContract(`mqtt listener, QoS ${qos}`, async () => ({
    open: (buffer) => openListener(buffer),
    async send(source, value) {
      const client = connect(source.address!, { reconnectPeriod: 0 });
      const acknowledged = new Promise<void>((resolve, reject) => {
        client.on('packetreceive', ({ cmd }) => {
          if (cmd === (qos === 1 ? 'puback' : 'pubrec')) resolve();
        });
        client.on('close', () => reject(new Error('closed before an acknowledgement')));
      });
      client.publish('a', value, { qos });
      await acknowledged.finally(() => client.end(true));
    },
    close: async () => {},
  }));
}

describe.skipIf(mosquittoMissing)(`with a broker ${mosquittoMissing ?? ''}`, () => {
  for (const qos of [1, 2] as const) {
    sourceContract(`mqtt client, QoS ${qos}`, async () => {
      const broker = await Mosquitto.start();
      const wire = await MqttWire.start(broker.port);
      return {
        open: (buffer) => openClient(buffer, { url: wire.url }),
        async send(_, value) {
          await broker.publish('a', value, '-q', String(qos));
          const message = () =>
            wire.of('server', 'publish').find(({ payload }) => payload?.toString() === value);
          await wire.until(() => {
            const id = message()?.messageId;
            const acks = wire.of('client', qos === 1 ? 'puback' : 'pubrec');
            return id !== undefined && acks.some(({ messageId }) => messageId === id);
          });
        },
        world: { down: () => broker.stop(), up: () => broker.start() },
        async close() {
          await wire.close();
          await broker.remove();
        },
      };
    });
  }
});
