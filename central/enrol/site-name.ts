import type { X509Certificate } from 'node:crypto';
import { aliasProblem } from '#shared/wire/alias.ts';
import { aliasUri } from '#shared/wire/enrol.ts';

const uri = `URI:${aliasUri('')}`;

/**
 * The alias in a certificate: its alternative names hold exactly one URI `tributary:edge:<alias>`.
 * undefined when there is none. Quoted names may hold anything, also what looks like one of ours.
 */
export function siteNameOf({ subjectAltName = '' }: X509Certificate): string | undefined {
  if (subjectAltName.includes('"')) return undefined;
  const found = subjectAltName.split(', ').filter((name) => name.startsWith(uri));
  const alias = found[0]?.slice(uri.length);
  return found.length === 1 && aliasProblem(alias) === undefined ? alias : undefined;
}
