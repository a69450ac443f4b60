import { openHttpSource } from '#edge/source/http.ts';
import type { Source } from '#edge/source/source.ts';
import { systemClock } from '#shared/std/clock.ts';
import { sourceContract } from '../../contract/source.ts';

async function send(source: Source, value: string): Promise<void> {
  const answer = await fetch(`${source.address}/v1/records/sensor-data`, {
    method: 'POST',
    body: value,
  });
  const body = await answer.text();
  if (!answer.ok) throw new Error(`${answer.status} ${body}`);
}

sourceContract('http', async () => ({
  open: (context) =>
    openHttpSource({ type: 'http', name: 'http', listen: '127.0.0.1:0' }, context, {
      clock: systemClock,
    }),
  send,
  close: async () => {},
}));
