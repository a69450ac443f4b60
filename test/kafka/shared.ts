import { randomBytes } from 'node:crypto';
import { createConnection } from 'node:net';
import { text } from 'node:stream/consumers';
import { startKafka } from './kafka.ts';
import { kafkaMissing } from './missing.ts';

/** A cluster named by the one who runs the tests; it needs Kafka's defaults, and one broker. */
const running = process.env.TRIBUTARY_KAFKA;

/** Why `sharedKafka` has nothing to give; undefined when it has. */
export const sharedKafkaMissing: string | undefined = running ? undefined : kafkaMissing;

/**
 * The bootstrap address of one broker for all test files of a run, started at first use, so that a
 * fast file does not pay for a start. Others use it too: names must be unique (`unique`), and
 * nobody stops it. `TRIBUTARY_KAFKA=host:port` is used instead where it is set.
 */
export async function sharedKafka(): Promise<string> {
  if (running) return running;
  const path = process.env.TRIBUTARY_KAFKA_SHARED;
  // Outside a run of vitest, for a script: one of its own, which ends with the process.
  if (!path) return (await startKafka()).bootstrap;
  const answer = JSON.parse(await text(createConnection(path))) as
    | { bootstrap: string }
    | { error: string };
  if ('error' in answer) throw new Error(answer.error);
  return answer.bootstrap;
}

/** A name that no other test has, for topics, groups and transactional ids. */
export const unique = (name: string): string => `${name}-${randomBytes(4).toString('hex')}`;
