import { chmodSync, readFileSync, statSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Authority, dayMs } from '#central/enrol/authority.ts';
import { newKey } from '#edge/uplink/credential-request.ts';
import { parseToken } from '#shared/wire/enrol.ts';
import { codeOf, EnrolmentBench } from './bench.ts';

let bench: EnrolmentBench;
beforeEach(async () => {
  bench = new EnrolmentBench();
  await bench.open();
});
afterEach(() => bench.remove());

test('a token makes a site, whose alias central chose', async () => {
  const { alias, x509, ca } = await bench.enrol(await bench.token());
  expect(alias).toBe('factory-a');
  expect(x509.subjectAltName).toBe('URI:tributary:edge:factory-a');
  expect(x509.ca).toBe(false);
  expect(ca).toBe(bench.authority.certificate);
  expect(bench.enrolment.identify(x509, true)).toBe('factory-a');
  expect(bench.enrolment.enrolled()).toEqual(['factory-a']);
  expect(bench.audit()).toEqual(['token-issued', 'enrolled']);
});

test('a token is good once, but its own key may ask again when the answer was lost', async () => {
  const token = await bench.token();
  const key = await newKey();
  await bench.enrol(token, key);
  const { x509 } = await bench.enrol(token, key);
  expect(await codeOf(() => bench.enrol(token))).toBe('token-used');
  expect(bench.enrolment.identify(x509, true)).toBe('factory-a');
  expect(bench.audit()).toContain('refused token-used');
});

test('a used token does not bring back what was removed', async () => {
  const token = await bench.token();
  const key = await newKey();
  const { x509 } = await bench.enrol(token, key);
  await bench.enrolment.remove('factory-a');
  expect(await codeOf(() => bench.enrol(token, key))).toBe('token-used');
  expect(await codeOf(() => bench.enrolment.identify(x509, true))).toBe('revoked');
});

test('an expired token is refused', async () => {
  const token = await bench.token('factory-a', 3_600_000);
  bench.pass(3_600_000);
  expect(await codeOf(() => bench.enrol(token))).toBe('token-expired');
  expect(bench.audit()).toContain('refused token-expired');
});

test('forged, damaged and replaced tokens are refused alike', async () => {
  const token = await bench.token();
  const { id, pin } = parseToken(token)!;
  const forged = `${id}.${'A'.repeat(43)}.${pin}`;
  const unknown = `${'0'.repeat(16)}.${'A'.repeat(43)}.${pin}`;
  for (const bad of [forged, unknown, 'x', `${token}.x`, '../../token']) {
    expect(await codeOf(() => bench.enrol(bad))).toBe('token-unknown');
  }
  await bench.token();
  expect(await codeOf(() => bench.enrol(token))).toBe('token-unknown');
  expect(bench.audit()).toContain('refused token-unknown');
});

test('a token of another alias than the settings say is not used up', async () => {
  const token = await bench.token('factory-b');
  expect(await codeOf(() => bench.enrol(token, undefined, 'factory-a'))).toBe('not-your-alias');
  expect((await bench.enrol(token, undefined, 'factory-b')).alias).toBe('factory-b');
});

test('a request that proves nothing gets nothing', async () => {
  const token = await bench.token();
  const { enrolment } = bench;
  const ask = (csr: string) => enrolment.enrol({ token, csr, alias: null }, undefined);
  expect(await codeOf(() => ask('junk'))).toBe('bad-request');
  expect((await bench.enrol(token)).alias).toBe('factory-a');
});

test('a certificate of another authority is refused, whatever it says', async () => {
  const other = new EnrolmentBench();
  await other.open();
  const { x509 } = await other.enrol(await other.token());
  await bench.enrol(await bench.token());
  expect(await codeOf(() => bench.enrolment.identify(x509, true))).toBe('foreign-certificate');
  expect(await codeOf(() => bench.renew(x509))).toBe('foreign-certificate');
  expect(bench.audit()).toContain('refused foreign-certificate');
  other.remove();
});

test("central's own certificate is no site's", async () => {
  const { certificate } = await bench.authority.issueServer(['localhost'], 0, dayMs);
  const { X509Certificate } = await import('node:crypto');
  const x509 = new X509Certificate(certificate);
  expect(await codeOf(() => bench.enrolment.identify(x509, true))).toBe('foreign-certificate');
});

test('an expired certificate may only renew, and only within the grace', async () => {
  const { x509 } = await bench.enrol(await bench.token());
  bench.pass(31 * dayMs);
  expect(await codeOf(() => bench.enrolment.identify(x509, true))).toBe('certificate-expired');
  bench.pass(178 * dayMs);
  const renewed = await bench.renew(x509);
  expect(bench.enrolment.identify(renewed, true)).toBe('factory-a');
  bench.pass(211 * dayMs);
  expect(await codeOf(() => bench.renew(renewed))).toBe('expired-beyond-grace');
  expect(bench.audit()).toContain('refused expired-beyond-grace');
});

test('a clock of central that is behind does not lock anybody out', async () => {
  const { x509 } = await bench.enrol(await bench.token());
  bench.pass(-400 * dayMs);
  expect(bench.enrolment.identify(x509, true)).toBe('factory-a');
});

test('after a renewal the old key ends soon after the new one was seen, and not before', async () => {
  const { x509: first } = await bench.enrol(await bench.token());
  await bench.renew(first);
  // The answer was lost: the gateway still has its first key, and asks again.
  const second = await bench.renew(first);
  expect(bench.enrolment.identify(first, true)).toBe('factory-a');
  expect(bench.enrolment.identify(second, true)).toBe('factory-a');
  expect(bench.enrolment.identify(first, true)).toBe('factory-a');
  bench.pass(11 * 60_000);
  expect(await codeOf(() => bench.enrolment.identify(first, true))).toBe('revoked');
  expect(await codeOf(() => bench.renew(first))).toBe('revoked');
  expect(bench.enrolment.identify(second, true)).toBe('factory-a');
});

test('disable, adopt and remove bind at once; a new token replaces the machine', async () => {
  const { x509: first } = await bench.enrol(await bench.token());
  const { enrolment } = bench;
  await enrolment.disable('factory-a', true);
  expect(await codeOf(() => enrolment.identify(first, true))).toBe('disabled');
  expect(await codeOf(() => bench.renew(first))).toBe('disabled');
  await enrolment.disable('factory-a', false);
  const renewed = await bench.renew(first);
  await enrolment.dropPredecessor('factory-a');
  expect(await codeOf(() => enrolment.identify(first, true))).toBe('revoked');
  const { x509: replacement } = await bench.enrol(await bench.token());
  expect(await codeOf(() => enrolment.identify(renewed, true))).toBe('revoked');
  expect(enrolment.identify(replacement, true)).toBe('factory-a');
  await enrolment.remove('factory-a');
  expect(await codeOf(() => enrolment.identify(replacement, true))).toBe('revoked');
});

test('enrolments, revocations and tokens outlive a restart', async () => {
  const { x509: a } = await bench.enrol(await bench.token('factory-a'));
  const { x509: b } = await bench.enrol(await bench.token('factory-b'));
  const token = await bench.token('factory-c');
  await bench.enrolment.disable('factory-b', true);
  await bench.open();
  expect(bench.enrolment.identify(a, true)).toBe('factory-a');
  expect(await codeOf(() => bench.enrolment.identify(b, true))).toBe('disabled');
  expect((await bench.enrol(token)).alias).toBe('factory-c');
});

test('no secret is in the registry or the log, and the key file is ours alone', async () => {
  const token = await bench.token();
  await bench.enrol(token);
  await codeOf(() => bench.enrol(token));
  const { secret } = parseToken(token)!;
  const kept = JSON.stringify(bench.database.prepare('SELECT * FROM registry').all());
  expect(kept).toContain('factory-a');
  expect(kept).not.toContain(secret);
  expect(JSON.stringify(bench.lines)).not.toContain(secret);
  expect(statSync(bench.authorityPath).mode & 0o777).toBe(0o600);
  chmodSync(bench.authorityPath, 0o644);
  await expect(Authority.open(bench.authorityPath, '', 0)).rejects.toThrow(/chmod 600/);
});

test('the authority is made once, and the token pins it', async () => {
  const before = readFileSync(bench.authorityPath, 'utf8');
  await bench.open();
  expect(readFileSync(bench.authorityPath, 'utf8')).toBe(before);
  expect(parseToken(await bench.token())!.pin).toBe(bench.authority.pin);
});
