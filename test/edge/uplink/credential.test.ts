import { X509Certificate } from 'node:crypto';
import { chmodSync, readFileSync } from 'node:fs';
import https from 'node:https';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { dayMs } from '#central/enrol/authority.ts';
import { ownServerCertificate } from '#central/enrol/server-certificate.ts';
import { type Credential, loadCredential, saveCredential } from '#edge/uplink/credential.ts';
import { CredentialKeeper } from '#edge/uplink/credential-keeper.ts';
import { newKey } from '#edge/uplink/credential-request.ts';
import { HttpTransport } from '#edge/uplink/http-transport.ts';
import type { TlsIdentity } from '#edge/uplink/tls-connect.ts';
import type { TransportRequest, TransportResponse } from '#edge/uplink/transport.ts';
import type { Clock } from '#shared/std/clock.ts';
import { type HttpServer, listenHttp } from '#shared/std/http-server.ts';
import { silentLog } from '#shared/std/log.ts';
import { EnrolmentBench } from '../../central/enrol/bench.ts';

let bench: EnrolmentBench;
let path: string;
const open: { close(): unknown }[] = [];
beforeEach(async () => {
  bench = new EnrolmentBench();
  await bench.open();
  path = join(bench.folder, 'credential.json');
});
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
  bench.remove();
});

async function enrolled(): Promise<Credential> {
  const key = await newKey();
  const { alias, certificate, ca } = await bench.enrol(await bench.token(), key);
  const credential = { alias, key, certificate, ca };
  saveCredential(path, credential);
  return credential;
}

/** Central's side of renewal, without a network; may be down. */
class Link {
  down = false;
  asked = 0;
  identity: TlsIdentity;

  constructor(identity: TlsIdentity) {
    this.identity = identity;
  }

  become(identity: TlsIdentity): void {
    this.identity = identity;
  }

  close(): void {}

  async post({ body }: TransportRequest): Promise<TransportResponse> {
    this.asked += 1;
    if (this.down) throw new Error('no route');
    const answer = await bench.enrolment.renew(
      new X509Certificate(this.identity.certificate!),
      JSON.parse(Buffer.from(body).toString()) as { csr: string },
    );
    return { status: 200, headers: {}, body: Buffer.from(JSON.stringify(answer)) };
  }
}

function keep(credential: Credential) {
  let mono = 0;
  const clock: Clock = { ...bench.clock, monotonic: () => mono };
  const link = new Link(credential);
  const keeper = new CredentialKeeper({
    ...{ path, credential, transport: link, clock, log: silentLog },
    ...{ url: () => 'https://central', random: () => 0.5 },
  });
  open.push(keeper);
  const pass = (ms: number) => {
    mono += ms;
    bench.pass(ms);
  };
  return { link, keeper, pass };
}

test('a certificate is renewed at two thirds of its life, with a new key, on disk first', async () => {
  const first = await enrolled();
  const { link, keeper, pass } = keep(first);
  await keeper.check();
  pass(19 * dayMs);
  await keeper.check();
  expect(link.asked).toBe(0);
  pass(2 * dayMs);
  await keeper.check();
  expect(link.asked).toBe(1);
  expect(keeper.credential.key).not.toBe(first.key);
  expect(loadCredential(path)).toEqual(keeper.credential);
  expect(link.identity).toEqual(keeper.credential);
  expect(bench.enrolment.identify(new X509Certificate(keeper.credential.certificate), true)).toBe(
    'factory-a',
  );
});

test('half a year off, and down at first: it comes back by itself', async () => {
  const { link, keeper, pass } = keep(await enrolled());
  pass(180 * dayMs);
  link.down = true;
  await keeper.check();
  await keeper.check();
  expect(link.asked).toBe(1);
  link.down = false;
  pass(3_600_000);
  await keeper.check();
  expect(bench.enrolment.identify(new X509Certificate(keeper.credential.certificate), true)).toBe(
    'factory-a',
  );
});

test('a gateway whose clock is behind renews when central says that it has expired', async () => {
  const { link, keeper } = keep(await enrolled());
  const body = Buffer.from('{"error":{"code":"certificate-expired","message":"…"}}');
  keeper.heard({ status: 403, headers: {}, body: Buffer.from('{"error":{"code":"disabled"}}') });
  await keeper.check();
  expect(link.asked).toBe(0);
  keeper.heard({ status: 403, headers: {}, body });
  await keeper.check();
  expect(link.asked).toBe(1);
});

test('a credential that others may read, or that is damaged, is refused with what to do', async () => {
  await enrolled();
  chmodSync(path, 0o640);
  expect(() => loadCredential(path)).toThrow(/chmod 600/);
  saveCredential(path, { alias: 'a', key: 'k', certificate: 'c', ca: 'c' });
  expect(() => loadCredential(path)).toThrow(/join again/);
  expect(loadCredential(`${path}.none`)).toBeUndefined();
});

async function serve(names: string[], clock: Clock = bench.clock) {
  const parts = { clock, log: silentLog };
  const certificate = await ownServerCertificate(bench.authority, names, parts);
  const server: HttpServer = await listenHttp({
    ...{ listen: '127.0.0.1:0', setting: 'test' },
    tls: { context: certificate.context, askPeer: true },
    listener: (request, response) => {
      const socket = request.socket as import('node:tls').TLSSocket;
      response.end(socket.getPeerX509Certificate()?.serialNumber ?? 'nobody');
    },
  });
  certificate.follow((context) => server.secure(context));
  open.push({ close: () => server.close(100) });
  return { server, certificate };
}

const ask = async (transport: HttpTransport, url: string) => {
  const headers = { 'content-type': 'text/plain' };
  const request = { url, path: '/', headers, body: Buffer.from(''), timeoutMs: 5_000 };
  return Buffer.from((await transport.post(request)).body).toString();
};

test('the transport shows its certificate, and the next one without a restart', async () => {
  bench.pass(Date.now() - bench.clock.now());
  const first = await enrolled();
  const { server } = await serve(['127.0.0.1']);
  const transport = new HttpTransport(first);
  open.push(transport);
  const serialOf = ({ certificate }: Credential) => new X509Certificate(certificate).serialNumber;
  expect(await ask(transport, server.url)).toBe(serialOf(first));
  const second = await enrolled();
  transport.become(second);
  expect(await ask(transport, server.url)).toBe(serialOf(second));
});

test("central's certificate is rotated without a restart", async () => {
  bench.pass(Date.now() - bench.clock.now());
  const { ca } = await enrolled();
  const { server, certificate } = await serve(['127.0.0.1']);
  const serial = () =>
    new Promise<string>((resolve, reject) => {
      const options = { rejectUnauthorized: false, agent: false as const, servername: '' };
      const request = https.get(server.url, options, (answer) => {
        const { socket } = answer as unknown as { socket: import('node:tls').TLSSocket };
        resolve(socket.getPeerX509Certificate()!.serialNumber);
        answer.resume();
      });
      request.on('error', reject);
    });
  const before = await serial();
  await certificate.check();
  expect(await serial()).toBe(before);
  bench.pass(61 * dayMs);
  await certificate.check();
  expect(await serial()).not.toBe(before);
  const transport = new HttpTransport({ ca });
  open.push(transport);
  expect(await ask(transport, server.url)).toBe('nobody');
});

test('a certificate that is not valid yet is taken of our own authority, and of no other', async () => {
  bench.pass(Date.now() + 400 * dayMs - bench.clock.now());
  const { ca } = await enrolled();
  const { server } = await serve(['127.0.0.1']);
  const ours = new HttpTransport({ ca });
  open.push(ours);
  expect(await ask(ours, server.url)).toBe('nobody');
  const other = new EnrolmentBench();
  await other.open();
  const stranger = new HttpTransport({ ca: other.authority.certificate });
  open.push(stranger, { close: () => other.remove() });
  await expect(ask(stranger, server.url)).rejects.toThrow(/does not prove to be central/);
});

test('the name has to fit, and the message says what to do; an expired one is refused', async () => {
  bench.pass(Date.now() - bench.clock.now());
  const { ca } = await enrolled();
  const transport = new HttpTransport({ ca });
  open.push(transport);
  const { server } = await serve(['central.example']);
  await expect(ask(transport, server.url)).rejects.toThrow(/add "127.0.0.1" to link.names/);
  bench.pass(-200 * dayMs);
  const old = await serve(['127.0.0.1']);
  await expect(ask(transport, old.server.url)).rejects.toThrow(/compare the clocks/);
  expect(readFileSync(path, 'utf8')).toContain('factory-a');
});

test('told that its authority goes, a gateway renews within ten minutes, at a moment of its own', async () => {
  const { link, keeper, pass } = keep(await enrolled());
  const told = { status: 200, headers: { 'tributary-renew': '1' }, body: Buffer.from('{}') };
  keeper.heard(told);
  await keeper.check();
  expect(link.asked).toBe(0);
  pass(299_000);
  keeper.heard(told);
  await keeper.check();
  expect(link.asked).toBe(0);
  pass(2_000);
  await keeper.check();
  expect(link.asked).toBe(1);
});
