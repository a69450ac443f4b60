import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FakeBroker, startFakeBroker } from './fake-broker.ts';
import { serveTransactions } from './fake-transactions.ts';

let broker: FakeBroker;
beforeEach(async () => {
  broker = await startFakeBroker();
  serveTransactions(broker);
});
afterEach(() => broker.close());

/** What a process of its own prints; fails where it does not end by itself. */
async function run(body: string): Promise<string> {
  const program = `
    import { openKafka } from '#shared/kafka/open-kafka.ts';
    import { silentLog } from '#shared/std/log.ts';
    const open = (broker) =>
      openKafka({ brokers: [broker], clientId: 'test' }, { log: silentLog });
    const codeOf = (promise) => promise.then(() => 'resolved', ({ code }) => code);
    process.on('unhandledRejection', (error) => console.log('unhandled', error));
    ${body}`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', program],
    { cwd: new URL('../../..', import.meta.url), timeout: 10_000 },
  );
  return stdout.trim();
}

test('nothing is left after close: the process ends by itself', async () => {
  broker.apis.set(29, { min: 1, max: 3, flexibleFrom: 2, answer: () => false });
  const printed = await run(`
    const kafka = open('${broker.address}');
    const producer = kafka.producer({ transactionalId: 't', transactionTimeoutMs: 1000 });
    await producer.init();
    const { controller } = await kafka.admin.cluster();
    // One that this broker never answers, and one behind it.
    const waiting = [codeOf(kafka.admin.acls()), codeOf(producer.init())];
    await kafka.close();
    console.log(controller, await Promise.all(waiting), await codeOf(kafka.admin.cluster()));
  `);
  expect(printed).toBe("7 [ 'closed', 'closed' ] closed");
});

test('nor where no broker was ever there', async () => {
  const printed = await run(`
    const kafka = open('127.0.0.1:1');
    console.log(await codeOf(kafka.admin.cluster()));
    const waiting = Array.from({ length: 5 }, () => codeOf(kafka.admin.cluster()));
    await kafka.close();
    console.log(new Set(await Promise.all(waiting)));
  `);
  expect(printed).toBe("unavailable\nSet(1) { 'closed' }");
});

/** kafkajs as it is wakes up a thousand times a second from the first answer on. */
test('an idle connection keeps no timer', async () => {
  const printed = await run(`
    const kafka = open('${broker.address}');
    await kafka.admin.cluster();
    await new Promise(setImmediate);
    const kinds = process.getActiveResourcesInfo();
    console.log(kinds.includes('TCPSocketWrap'), kinds.includes('Timeout'));
    await kafka.close();
  `);
  expect(printed).toBe('true false');
});

test('a program that opens no connection does not load kafkajs', async () => {
  const printed = await run(`
    import { createRequire } from 'node:module';
    const require = createRequire('${new URL('../../../package.json', import.meta.url).pathname}');
    const loaded = () => Object.keys(require.cache).some((path) => path.includes('kafkajs'));
    const kafka = open('${broker.address}');
    const before = loaded();
    await kafka.admin.cluster();
    console.log(before, loaded());
    await kafka.close();
  `);
  expect(printed).toBe('false true');
});

test('brokers that are no addresses are named', async () => {
  const printed = await run(`
    for (const broker of ['', 'a:b', 'a:0', 'a:99999', '[::1']) {
      try { open(broker); } catch ({ code, message }) { console.log(code, message); }
    }
    await open('kafka-1').close();
    await open('[::1]:9092').close();
  `);
  expect(printed.split('\n')).toEqual([
    "invalid broker '' is not host:port",
    "invalid broker 'a:b' is not host:port",
    "invalid broker 'a:0' is not host:port",
    "invalid broker 'a:99999' is not host:port",
    "invalid broker '[::1' is not host:port",
  ]);
});
