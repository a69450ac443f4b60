import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kafkaJars } from './jars.ts';
import { startKafka, type TestKafka } from './kafka.ts';
import { kafkaMissing } from './missing.ts';

/**
 * The run's own broker, in vitest's main process: started when a test file asks for it first
 * (shared.ts, over a local socket), ended with the run. A run that needs no Kafka starts none.
 */
let server: Server | undefined;
let kafka: Promise<TestKafka> | undefined;

export async function setup(): Promise<void> {
  await bringJars();
  const path = join(tmpdir(), `tributary-kafka-${randomUUID()}.sock`);
  server = createServer(async (socket) => {
    socket.on('error', () => {});
    kafka ??= startKafka();
    try {
      socket.end(JSON.stringify({ bootstrap: (await kafka).bootstrap }));
    } catch (error) {
      socket.end(JSON.stringify({ error: String(error) }));
    }
  });
  await new Promise<void>((resolve) => server!.listen(path, resolve));
  server.unref();
  process.env.TRIBUTARY_KAFKA_SHARED = path;
}

/** Once on a machine, here rather than in some test's time. */
async function bringJars(): Promise<void> {
  if (process.env.TRIBUTARY_KAFKA || kafkaMissing) return;
  try {
    await kafkaJars('4.x');
    await kafkaJars('3.x');
  } catch (error) {
    process.env.TRIBUTARY_KAFKA_MISSING = `test/kafka: Maven cannot bring Kafka: ${error}`;
  }
}

export async function teardown(): Promise<void> {
  server?.close();
  rmSync(process.env.TRIBUTARY_KAFKA_SHARED!, { force: true });
  await kafka?.then(
    (running) => running.close(),
    () => undefined,
  );
}
