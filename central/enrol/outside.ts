import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { aliasUri } from '#shared/wire/enrol.ts';
import { Audit } from '../audit.ts';
import { type Credentials, EnrolError } from './enrol.ts';
import { noRevocations, type RevocationList } from './revocation-list.ts';
import { siteNameOf } from './site-name.ts';

/** Certificates of somebody else's authority: who is who is its word, `edges disable` is ours. */
export function outsideCredentials(
  { clock, log }: { clock: Clock; log: Logger },
  revoked: Pick<RevocationList, 'isRevoked'> = noRevocations,
): Credentials {
  const audit = new Audit(log, () => clock.now());
  return {
    isOutdated: () => false,
    identify(certificate, trusted) {
      const alias = siteNameOf(certificate);
      const isClient = certificate.keyUsage?.includes('1.3.6.1.5.5.7.3.2') ?? true;
      if (trusted && isClient && alias !== undefined) {
        if (!revoked.isRevoked(certificate)) return alias;
        const why = `the certificate of "${alias}" is on the revocation list of its authority`;
        const hint = 'ask that authority for another one';
        throw audit.refused(new EnrolError(403, 'revoked', why, hint), {
          alias,
          serial: certificate.serialNumber,
        });
      }
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
