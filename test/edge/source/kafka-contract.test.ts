import { eventually } from '../../contract/eventually.ts';
import { type SourceHarness, sourceContract } from '../../contract/source.ts';
import { FakeKafka } from '../../shared/kafka/fake-kafka.ts';
import { batchOf, openOver } from './kafka-world.ts';

/** Kafka keeps what it has: a record is acknowledged when the position behind it is on disk. */
sourceContract('kafka', async (): Promise<SourceHarness> => {
  const kafka = new FakeKafka();
  kafka.create('t', 3);
  let sent = 0;
  return {
    open: (context) => openOver(kafka, context),
    send: async (source, value) => {
      sent += 1;
      const partition = sent % 3;
      kafka.append('t', partition, batchOf(value));
      const { end } = kafka.log('t', partition);
      const reached = () =>
        (source as ReturnType<typeof openOver>)
          .cluster()
          ?.positions()
          .some((one) => one.partition === partition && one.next >= end);
      await eventually(() => {
        if (!reached()) throw new Error('not read yet');
      });
    },
    world: {
      down: async () => {
        kafka.isDown = true;
      },
      up: async () => {
        kafka.isDown = false;
      },
    },
    close: async () => {},
  };
});
