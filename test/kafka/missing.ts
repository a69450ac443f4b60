import { spawnSync } from 'node:child_process';

const install = 'apt-get install openjdk-17-jdk-headless maven kcat';

/**
 * Why tests with a real Kafka cannot run here; undefined when they can. With
 * `TRIBUTARY_REQUIRE=all` that is an error instead, never a silent skip.
 */
export const kafkaMissing: string | undefined = whyNot();

function whyNot(): string | undefined {
  const absent = ['java', 'javac', 'mvn'].filter((tool) => !runs(tool));
  if (absent.length === 0) return undefined;
  const reason = `test/kafka: missing ${absent.join(', ')}: ${install}`;
  if (process.env.TRIBUTARY_REQUIRE === 'all') throw new Error(reason);
  console.log(`skipped: ${reason}`);
  return reason;
}

/** The same for kcat, which only a few tests use. */
export const kcatMissing: string | undefined = runs('kcat') ? undefined : whyNoKcat();

function whyNoKcat(): string {
  const reason = `test/kafka: missing kcat: ${install}`;
  if (process.env.TRIBUTARY_REQUIRE === 'all') throw new Error(reason);
  console.log(`skipped: ${reason}`);
  return reason;
}

function runs(tool: string): boolean {
  return spawnSync('which', [tool]).status === 0;
}
