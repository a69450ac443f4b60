import { spawnSync } from 'node:child_process';

const install = 'apt-get install openjdk-17-jdk-headless maven kcat';

/**
 * Why tests with a real Kafka cannot run here; undefined when they can. With
 * `TRIBUTARY_REQUIRE=all` that is an error instead, never a silent skip.
 */
export const kafkaMissing: string | undefined = whyNot();

function whyNot(): string | undefined {
  const absent = ['java', 'javac', 'mvn'].filter((tool) => !runs(tool));
  const reason =
    absent.length > 0
      ? `test/kafka: missing ${absent.join(', ')}: ${install}`
      : // Said by shared-broker.ts when Maven could not bring the jars.
        process.env.TRIBUTARY_KAFKA_MISSING;
  return reason && told(reason);
}

/** The same for kcat, which only a few tests use. */
export const kcatMissing: string | undefined = runs('kcat')
  ? undefined
  : told(`test/kafka: missing kcat: ${install}`);

function told(reason: string): string {
  if (process.env.TRIBUTARY_REQUIRE === 'all') throw new Error(reason);
  console.log(`skipped: ${reason}`);
  return reason;
}

function runs(tool: string): boolean {
  return spawnSync('which', [tool]).status === 0;
}
