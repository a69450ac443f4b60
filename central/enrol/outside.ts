import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { aliasUri } from '#shared/wire/enrol.ts';
import { Audit } from '../audit.ts';
import { type Credentials, EnrolError } from './enrol.ts';
import { siteNameOf } from './site-name.ts';

/** Certificates of somebody else's authority: who is who is its word, `edges disable` is ours. */
export function outsideCredentials({ clock, log }: { clock: Clock; log: Logger }): Credentials {
  const audit = new Audit(log, () => clock.now());
  return {
    isOutdated: () => false,
    identify(certificate, trusted) {
      const alias = siteNameOf(certificate);
      const isClient = certificate.keyUsage?.includes('1.3.6.1.5.5.7.3.2') ?? true;
      if (trusted && isClient && alias !== undefined) return alias;
      const why = trusted
        ? 'the certificate names no site'
        : 'the certificate is not of the authority in link.ca_file, or not of this time';
      const hint = `it needs the alternative name "URI:${aliasUri('<alias>')}" and client usage`;
      throw audit.refused(new EnrolError(403, 'foreign-certificate', why, hint), {
        alias,
        serial: certificate.serialNumber,
      });
    },
  };
}
