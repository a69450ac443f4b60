import { openKafka } from '#shared/kafka/open-kafka.ts';
import { silentLog } from '#shared/std/log.ts';

/** A program of one file that asks a broker for its topics; for kafka-bundle.slow.test.ts. */
const [broker = ''] = process.argv.slice(2);
const kafka = openKafka(
  { brokers: [broker], clientId: 'bundled', requestTimeoutMs: 2_000 },
  { log: silentLog },
);
console.log('opened');
await kafka.admin.topics(['t']).catch((error: Error) => console.log(error.name));
await kafka.close();
