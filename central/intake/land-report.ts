import type { KafkaAnswer, KafkaReport } from '#shared/wire/kafka-report.ts';
import { underSession } from './land-segments.ts';
import type { Lane } from './lane.ts';
import type { IntakeParts } from './parts.ts';

/**
 * Runs in the alias' turn: what a site tells of its own Kafka. A central without a Kafka has no
 * groups to translate for, takes note of nothing, and lets the site go on.
 */
export async function landReport(
  { mirror, clock }: IntakeParts,
  lane: Lane,
  report: KafkaReport,
): Promise<KafkaAnswer> {
  const { session } = report;
  underSession(await lane.state(), lane.alias, session);
  if (!mirror) return { next: report.number + 1 };
  const { facts, next, committed, failed } = mirror.report(lane.alias, report);
  if (facts.length > 0) {
    const at = clock.now();
    const write = { at, underSession: session, segments: [], losses: [], facts };
    await lane.commit(write).catch((error: unknown) => {
      failed();
      throw error;
    });
  }
  committed();
  return { next };
}
