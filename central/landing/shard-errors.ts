import type { KafkaError } from '#shared/kafka/kafka.ts';
import { LandingError } from './landing.ts';

export const moved = (): LandingError =>
  new LandingError('moved', 'another collector owns this site now');

/** What a failure of Kafka means to whoever committed. */
export function asLandingError(error: unknown): LandingError {
  if (error instanceof LandingError) return error;
  const { code, message } = error as KafkaError;
  const as = (landing: LandingError['code']) =>
    new LandingError(landing, message, { cause: error });
  switch (code) {
    case 'fenced':
      return as('moved');
    case 'refused':
    case 'denied':
    case 'invalid':
      return as('refused');
    case 'closed':
      return as('closed');
    case 'uncertain':
      return as('uncertain');
    default:
      return as('unavailable');
  }
}
