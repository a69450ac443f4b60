import { openHostSource } from '#edge/source/host.ts';
import { systemClock } from '#shared/std/clock.ts';
import { sourceContract } from '../../contract/source.ts';

sourceContract('host', async () => ({
  open: (context) =>
    openHostSource({ type: 'host', name: 'host', intervalMs: 20 }, context, {
      clock: systemClock,
    }),
  close: async () => {},
}));
