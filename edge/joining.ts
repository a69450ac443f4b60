import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import type { Service } from '#shared/std/service.ts';
import type { JoinPlace } from './config.ts';
import { openJoining } from './link-identity.ts';

/**
 * What runs on a gateway that has a join token and no name yet: nothing can be taken in before
 * central has named it, so it waits for that, and then starts anew as that site.
 */
export function startJoining(
  { urls, credentialPath: path, joinToken }: JoinPlace,
  parts: { clock: Clock; log: Logger; random: () => number },
): Service {
  const joining = openJoining({ ...parts, urls, path, joinToken, alias: null }, () => undefined);
  return {
    ready: { joining: urls },
    prove: async () => `not a site yet, joins ${urls.join(', ')}: ${joining.why()}`,
    stop: () => joining.close(),
    outdated: joining.replaced,
  };
}
