import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import type { CentralConfig } from './config.ts';
import { Authority } from './enrol/authority.ts';
import type { Credentials, Enrolment } from './enrol/enrol.ts';
import { openEnrolment } from './enrol/open-enrolment.ts';
import { outsideCredentials } from './enrol/outside.ts';
import { noRevocations, openRevocationList } from './enrol/revocation-list.ts';
import {
  ownServerCertificate,
  type ServerCertificate,
  serverCertificateFiles,
} from './enrol/server-certificate.ts';
import type { IntakeAdmin } from './intake/intake.ts';
import type { Landing } from './landing/landing.ts';

/** What TLS on the link rests on; nothing of it where the link is plain HTTP on loopback. */
export interface LinkSecurity {
  credentials?: Credentials;
  enrolment?: Enrolment;
  certificate?: ServerCertificate;
  close?: () => void;
}

export async function openLinkSecurity(
  { link, enrol }: CentralConfig,
  { landing, ...parts }: { landing: Landing; clock: Clock; log: Logger },
): Promise<LinkSecurity> {
  const { clock, log } = parts;
  const { tls } = link;
  if (tls.mode === 'off') return {};
  if (tls.mode === 'files') {
    const { crlFile: file, caFile } = tls;
    const revoked =
      file === null ? noRevocations : await openRevocationList({ file, caFile }, parts);
    const certificate = await serverCertificateFiles(tls, parts).catch((error: unknown) => {
      revoked.close();
      throw error;
    });
    const close = () => {
      certificate.close();
      revoked.close();
    };
    return { certificate, close, credentials: outsideCredentials(parts, revoked) };
  }
  const { lifeMs, graceMs, authorityPath } = enrol;
  const authority = await Authority.open(authorityPath, landing.centralId, clock.now());
  const certificate = await ownServerCertificate(authority, tls.names, { clock, log });
  const enrolment = await openEnrolment({
    ...{ landing, authority, clock, log, lifeMs, graceMs },
    onAuthority: () => certificate.check(),
  });
  return { certificate, enrolment, close: () => certificate.close(), credentials: enrolment };
}

/** What a person does to a site binds its certificate and its sessions; either may be missing. */
export function boundAdmin(admin: IntakeAdmin, enrolment: Enrolment | undefined): IntakeAdmin {
  if (!enrolment) return admin;
  const both = async (alias: string, bound: boolean, act: (alias: string) => Promise<void>) => {
    await act(alias).catch((error: unknown) => {
      // Enrolled, and never came: the certificate is all there is.
      if (!bound || !(error instanceof RangeError)) throw error;
    });
  };
  return {
    async adopt(alias) {
      await enrolment.dropPredecessor(alias);
      await admin.adopt(alias);
    },
    disable: async (alias) => both(alias, await enrolment.disable(alias, true), admin.disable),
    enable: async (alias) => both(alias, await enrolment.disable(alias, false), admin.enable),
    remove: async (alias) => both(alias, await enrolment.remove(alias), admin.remove),
  };
}
