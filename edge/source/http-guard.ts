import { createHash, timingSafeEqual } from 'node:crypto';
import { isLoopback, splitHostPort } from '#shared/std/listen-address.ts';
import { HttpProblem, quoted } from './http-problem.ts';

/** Who may send records: the questions that come before anything of the body is read. */

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** `Authorization: Bearer <token>`, compared in constant time. */
export function requireToken(request: Request, token: string): void {
  const given = /^Bearer +(\S+)\s*$/i.exec(request.headers.get('authorization') ?? '')?.[1];
  // Digests have one length, so the comparison says nothing about the token's.
  if (given !== undefined && timingSafeEqual(digest(given), digest(token))) return;
  throw new HttpProblem(
    401,
    'unauthorized',
    given === undefined ? 'this source asks for a token' : 'the token is not the right one',
    'send "Authorization: Bearer <token>" with the token of this source\'s settings',
    { 'www-authenticate': 'Bearer realm="tributary-edge"' },
  );
}

/** A web page of somebody else must not write records through the browser of a person here. */
export function refuseForeignPages(request: Request): void {
  const origin = request.headers.get('origin');
  const site = request.headers.get('sec-fetch-site');
  const foreign =
    origin !== null && !URL.canParse(origin)
      ? true
      : origin !== null && new URL(origin).host !== hostOf(request);
  if (!foreign && site !== 'cross-site' && site !== 'same-site') return;
  throw new HttpProblem(
    403,
    'cross-origin',
    `a page of ${quoted(origin ?? 'another site')} may not send records here`,
    'let a program send them, or serve the page from this address',
  );
}

/** For the agent's own listener: whoever sends has to be on this machine, and to have meant it. */
export function requireLoopback(request: Request, remoteAddress: string | undefined): void {
  const host = hostOf(request);
  const name = splitHostPort(host)?.host;
  if (name === undefined || !isLoopback(name)) {
    // A stranger's name that resolves to 127.0.0.1 makes a browser send its pages' requests to us.
    throw new HttpProblem(
      421,
      'wrong-host',
      `Host ${quoted(host)} is not a name of this machine for itself`,
      'records from other machines belong to a source of type "http", see its settings',
    );
  }
  if (remoteAddress !== undefined && !isLoopback(remoteAddress)) {
    throw new HttpProblem(
      403,
      'not-local',
      `records are taken here from this machine only, not from ${remoteAddress}`,
      'add a source of type "http" for other machines',
    );
  }
}

const hostOf = (request: Request): string =>
  request.headers.get('host') ?? new URL(request.url).host;
