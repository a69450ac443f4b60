import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../contract/eventually.ts';
import { FakeBuffer } from '../../contract/fake-buffer.ts';
import { Certificates } from '../../system/certificates.ts';
import { Mosquitto, mosquittoMissing } from '../../system/mosquitto.ts';
import { openClient } from './mqtt-world.ts';

describe.skipIf(mosquittoMissing)(`MQTT client and secrets ${mosquittoMissing ?? ''}`, () => {
  const ends: (() => unknown)[] = [];
  let certificates: Certificates;
  let broker: Mosquitto;
  let server: { certFile: string; keyFile: string };

  beforeAll(async () => {
    certificates = new Certificates();
    server = certificates.issue('server');
    broker = await Mosquitto.prepare([
      'listener $PORT 127.0.0.1',
      `cafile ${certificates.caFile}`,
      `certfile ${server.certFile}`,
      `keyfile ${server.keyFile}`,
      'require_certificate true',
      'allow_anonymous false',
      'password_file $FOLDER/passwords',
    ]);
    execFileSync('mosquitto_passwd', [
      '-c',
      '-b',
      join(broker.folder, 'passwords'),
      'edge',
      'geheim',
    ]);
    await broker.start();
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });
  afterAll(async () => {
    await broker.remove();
    certificates.remove();
  });

  function open(settings: object) {
    const buffer = new FakeBuffer();
    const source = openClient(buffer, {
      url: `mqtts://127.0.0.1:${broker.port}`,
      username: 'edge',
      password: 'geheim',
      tls: { caFile: certificates.caFile, ...certificates.issue('client') },
      ...settings,
    });
    ends.push(() => source.stop());
    return { source, buffer };
  }

  test.each(['3.1.1', '5'])(
    'MQTT %s with TLS, client certificate and password',
    async (protocol) => {
      const { source, buffer } = open({ protocol });
      await source.start();
      await eventually(() => expect(source.state().state).toBe('running'));
      const { certFile, keyFile } = certificates.issue('publisher');
      const tls = ['--cafile', certificates.caFile, '--cert', certFile, '--key', keyFile];
      await broker.publish('a', 'secret', '-u', 'edge', '-P', 'geheim', '-q', '1', ...tls);
      await buffer.until(() => buffer.values().includes('secret'));
    },
  );

  test.each([
    ['a wrong password', { password: 'falsch' }, /not authori[sz]ed|bad user ?name or password/i],
    ['no client certificate', { tls: () => ({ caFile: certificates.caFile }) }, /./],
    ['an unknown authority', { tls: () => server }, /certificate/i],
    ['a file that is not there', { tls: { caFile: '/nowhere/ca.pem' } }, /tls\.caFile \/nowhere/],
    ['plain TCP', { url: () => broker.url }, /./],
  ])('%s is told in the state, and tried again', async (_, wrong, words) => {
    const values = Object.entries(wrong).map(([name, value]) => [
      name,
      typeof value === 'function' ? value() : value,
    ]);
    const { source } = open(Object.fromEntries(values));
    await source.start();
    await eventually(() => expect(source.state().state).toBe('degraded'));
    expect(source.state().detail).toMatch(
      /^no connection to mqtts?:\/\/127.0.0.1:\d+: .*; trying again$/,
    );
    expect(source.state().detail).toMatch(words);
    expect(source.state().detail).not.toContain('falsch');
  });
});
