import { existsSync } from 'node:fs';
import type { Clock } from '#shared/std/clock.ts';
import type { Finding } from './cli-doctor.ts';

/** A clock before this release was made has never been set. */
const plausibleFrom = Date.UTC(2026, 0, 1);
const synchronizedMarker = '/run/systemd/timesync/synchronized';

/** Whether the gateway's clock can be believed; central's own opinion is asked elsewhere. */
export function checkClock(clock: Clock): Finding {
  const now = clock.now();
  const shown = new Date(now).toISOString();
  if (now < plausibleFrom) {
    const advice = 'set it (timedatectl set-ntp true): records get their time from it';
    return { check: 'clock', level: 'fail', message: `says ${shown}: never set`, advice };
  }
  const note = existsSync(synchronizedMarker) ? ', synchronized by systemd-timesyncd' : '';
  return { check: 'clock', level: 'ok', message: `says ${shown}${note}` };
}
