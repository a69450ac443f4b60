import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Authority, dayMs } from '#central/enrol/authority.ts';
import { ownServerCertificate } from '#central/enrol/server-certificate.ts';
import { silentLog } from '#shared/std/log.ts';
import { parseToken } from '#shared/wire/enrol.ts';
import { codeOf, EnrolmentBench } from './bench.ts';

/** Central's authority gets another key while sites are away. */

let bench: EnrolmentBench;
beforeEach(async () => {
  bench = new EnrolmentBench();
  await bench.open();
});
afterEach(() => bench.remove());

test('what the old key signed stays good, what is issued from now on is of the new one', async () => {
  const { x509: before, ca } = await bench.enrol(await bench.token('factory-a'));
  const pin = bench.authority.pin;
  const state = await bench.enrolment.rotateAuthority();
  expect(state).toMatchObject({ pinBefore: pin, sitesBefore: ['factory-a'] });
  expect(state.pin).not.toBe(pin);
  expect(bench.enrolment.identify(before, true)).toBe('factory-a');
  expect(bench.enrolment.isOutdated(before)).toBe(true);
  const after = await bench.renew(before);
  expect(bench.enrolment.identify(after, true)).toBe('factory-a');
  expect(bench.enrolment.isOutdated(after)).toBe(false);
  expect(after.verify(new X509Certificate(ca).publicKey)).toBe(false);
  expect(bench.enrolment.authority().sitesBefore).toEqual([]);
  expect(parseToken(await bench.token('factory-b'))!.pin).toBe(state.pin);
  expect(bench.audit()).toContain('authority-rotated');
});

test('a token of before still makes a site, which believes the new authority', async () => {
  const token = await bench.token();
  await bench.enrolment.rotateAuthority();
  const { x509, ca } = await bench.enrol(token);
  expect(ca).toBe(bench.authority.certificate);
  expect(x509.verify(new X509Certificate(ca).publicKey)).toBe(true);
});

test('retiring names the sites that it would lose, and then shuts out what the old key signed', async () => {
  const { x509: a } = await bench.enrol(await bench.token('factory-a'));
  const { x509: b } = await bench.enrol(await bench.token('factory-b'));
  await bench.enrolment.rotateAuthority();
  const renewed = await bench.renew(a);
  await expect(bench.enrolment.retireAuthority(false)).rejects.toThrow(/1 sites .* factory-b/);
  await expect(bench.enrolment.rotateAuthority()).rejects.toThrow(/was not retired yet/);
  expect(bench.enrolment.identify(b, true)).toBe('factory-b');
  expect(await bench.enrolment.retireAuthority(true)).toMatchObject({ pinBefore: null });
  expect(await codeOf(() => bench.enrolment.identify(b, true))).toBe('foreign-certificate');
  expect(bench.enrolment.identify(renewed, true)).toBe('factory-a');
  await expect(bench.enrolment.retireAuthority(true)).rejects.toThrow(/no authority before/);
  await bench.enrolment.rotateAuthority();
  expect(bench.enrolment.identify(renewed, true)).toBe('factory-a');
  expect(bench.audit()).toContain('authority-retired');
});

test('both outlive a restart, and the old key is gone from the file', async () => {
  const keyBefore = readFileSync(bench.authorityPath, 'utf8').split('-----')[2]!;
  const { x509: before } = await bench.enrol(await bench.token('factory-a'));
  await bench.enrolment.rotateAuthority();
  const { pin, pinBefore } = bench.authority;
  await bench.open();
  expect(bench.authority).toMatchObject({ pin, pinBefore });
  expect(bench.enrolment.identify(before, true)).toBe('factory-a');
  expect(bench.enrolment.authority().sitesBefore).toEqual(['factory-a']);
  expect(readFileSync(bench.authorityPath, 'utf8')).not.toContain(keyBefore);
});

test('a file whose certificates do not belong together is refused', async () => {
  const other = new EnrolmentBench();
  await other.open();
  await bench.enrolment.rotateAuthority();
  const [key, ...certificates] = readFileSync(bench.authorityPath, 'utf8').split(
    /(?=-----BEGIN CERTIFICATE)/,
  );
  const mixed = [key, certificates[0], certificates[1], other.authority.certificate].join('');
  writeFileSync(bench.authorityPath, mixed);
  await expect(Authority.open(bench.authorityPath, '', 0)).rejects.toThrow(/do not fit/);
  other.remove();
});

test("central's own certificate follows at once", async () => {
  const parts = { clock: bench.clock, log: silentLog };
  const certificate = await ownServerCertificate(bench.authority, ['localhost'], parts);
  let followed = 0;
  certificate.follow(() => {
    followed += 1;
  });
  await certificate.check();
  expect(followed).toBe(0);
  await bench.authority.rotate(bench.clock.now());
  await certificate.check();
  expect(followed).toBe(1);
  const chain = String(certificate.context.cert).match(/BEGIN CERTIFICATE/g);
  expect(chain).toHaveLength(4);
  bench.pass(dayMs);
  await certificate.check();
  expect(followed).toBe(1);
  certificate.close();
});
