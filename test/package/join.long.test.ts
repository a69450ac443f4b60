import { globSync, mkdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseToken } from '#shared/wire/enrol.ts';
import { buildPackages } from './build.ts';
import { plugIn, setCables } from './cable.ts';
import { attempt, command, type Ended } from './command.ts';
import { bootMachine, type Machine, shareFile, waitFor } from './machine.ts';
import { blocks, filesOfCloudConfig } from './readme.ts';
import { whyNot } from './requirements.ts';
import { rootFileSystem } from './root-file-system.ts';
import { active, install, landed, landsOnce } from './site.ts';

const edge = 'tributary-edge.service';
const isMissing = whyNot([
  ...['systemd-nspawn', 'nsenter', 'debootstrap', 'dpkg-deb', 'strip', 'curl', 'ip'],
  ...['gpg', 'dpkg-scanpackages'],
]);

/**
 * Three machines and the cables between them: central, a gateway that a person sets up by following
 * README.md word by word, and one that a fleet's tools set up. Each step goes on from the one before.
 */
describe.skipIf(isMissing !== undefined)('install and join, as README.md tells', () => {
  let debs: string;
  let central: Machine;
  let gateway: Machine;
  let unattended: Machine;
  let token: string;

  beforeAll(async () => {
    debs = await buildPackages('--arch', 'amd64', '--compression', 'zstd');
    const older = await rootFileSystem('bookworm');
    const newer = await rootFileSystem('trixie');
    const files = globSync(`${debs}/*.deb`);
    [central, gateway, unattended] = (await Promise.all(
      [older, older, newer].map((root) => bootMachine(root, files)),
    )) as [Machine, Machine, Machine];
    // What an installed Debian has, and one made by debootstrap lacks.
    const hosts =
      'echo "127.0.0.1 localhost" > /etc/hosts; echo "127.0.1.1 $(hostname)" >> /etc/hosts';
    for (const machine of [central, gateway, unattended]) await machine.shell(hosts);
    for (const site of [gateway, unattended]) {
      const [address] = await plugIn(central, site);
      await site.shell(`echo '${address} central.example' >> /etc/hosts`);
      // No way to the internet, and nobody waits for it.
      await site.shell('rm -f /etc/apt/sources.list');
    }
    for (const machine of [central, gateway]) {
      await machine.shell(
        'useradd -m -G sudo sam && echo "sam ALL=(ALL) NOPASSWD: ALL" > /etc/sudoers.d/sam',
      );
    }
    await gateway.run('systemctl', 'start', 'mosquitto');
  }, 400_000);
  afterAll(async () => {
    await Promise.all([central, gateway, unattended].map((machine) => machine?.stop()));
    rmSync(debs, { recursive: true, force: true });
  }, 60_000);

  /** What a person types, in the folder with the packages. */
  const typed = (machine: Machine, script: string): Promise<Ended> => {
    const words = ['bash', '-euo', 'pipefail', '-c', `cd /mnt\n${script}`];
    return machine.attempt('runuser', '-u', 'sam', '--', ...words);
  };
  const follow = async (machine: Machine, script: string): Promise<string> => {
    const { code, out, err } = await typed(machine, script);
    expect(`${code}\n${code === 0 ? '' : out + err}`).toBe('0\n');
    return out;
  };
  const publish = (message: string) =>
    gateway.run(
      ...['mosquitto_pub', '-h', '127.0.0.1', '-q', '1', '-m', message],
      ...['-t', 'sensors/line-1/temperature'],
    );
  const journal = (machine: Machine) => machine.run('journalctl', '--no-pager', '-o', 'cat');

  test('a signed repository, made by one command, is in front of the gateway', async () => {
    const home = join(debs, 'gnupg');
    mkdirSync(home, { mode: 0o700 });
    const key = 'packages@example.com';
    const gpg = ['--homedir', home, '--batch', '--passphrase', '', '--quick-generate-key', key];
    await command('gpg', [...gpg, 'ed25519', 'sign']);
    const out = join(gateway.share, 'repository');
    const [line] = /npm run repository.*/.exec(blocks('Build the packages', 'sh').join('\n')) ?? [];
    expect(line).toContain(`--key ${key}`);
    const options = ['--key', key, '--gnupg', home, '--from', debs, '--out', out];
    await command(process.execPath, ['packaging/repository.ts', ...options]);
    await command('gpgconf', ['--homedir', home, '--kill', 'all']);
  }, 60_000);

  test('on a gateway: installed, set up, taking records in', async () => {
    const [fromFiles, fromRepository, setUp, ...more] = blocks('On a gateway', 'sh');
    expect(more).toEqual([]);
    await follow(gateway, fromFiles!);
    await follow(gateway, fromRepository!);
    const said = await follow(gateway, setUp!);
    expect(said).toContain('ok: /etc/tributary/edge.toml, /etc/tributary/edge.d/site.toml');
    expect(said).toContain('no central is set, records are kept here');
    await waitFor('the broker is there', async () =>
      (await journal(gateway)).includes('connected to mqtt://localhost:1883'),
    );
    await publish('before joining');
    expect((await typed(gateway, 'man --version || true; tributary-edge --help')).out).toContain(
      'join',
    );
  }, 120_000);

  test('at central: installed, and open for sites on other machines', async () => {
    const [setUp, ...more] = blocks('At central', 'sh');
    expect(more).toEqual([]);
    expect(await follow(central, setUp!)).toContain('Active: active (running)');
    await waitFor('central listens there', async () => {
      const { out } = await central.attempt('tributary-central', 'status');
      return out.includes('link https://central.example:8443');
    });
  }, 120_000);

  test('joined: the flow starts by itself, and join says so', async () => {
    const [script] = blocks('Join a site', 'sh');
    const [enrol, join, status] = script!.trim().split('\n');
    const printed = await follow(central, enrol!);
    const line = /tributary-edge join (\S+) --url \S+/.exec(printed)!;
    token = line[1]!;
    // What README shows is what central prints, but for the token itself.
    expect(join).toContain(line[0].replace(token, 'TOKEN'));
    const said = await follow(gateway, join!.replace('TOKEN', token));
    expect(said).toContain('This gateway is "factory-a" of https://central.example:8443.');
    expect(said).toContain('tributary-edge.service is active.');
    expect(said).toMatch(/central https:\/\/central\.example:8443: connected/);
    expect(await follow(gateway, status!)).toContain('connected');
    await publish('after joining');
    await landsOnce(central, 'factory-a.sensor-data', 2);
    expect(await landed(central, 'factory-a.sensor-data')).toEqual([
      'before joining',
      'after joining',
    ]);
    const kept = 'stat -c "%a %U" /var/lib/tributary-edge/credential.json';
    expect(await gateway.shell(kept)).toBe('600 tributary-edge');
  }, 120_000);

  test('a cut cable costs nothing but time', async () => {
    await setCables(gateway, 'down');
    await publish('while it was cut');
    await setCables(gateway, 'up');
    await landsOnce(central, 'factory-a.sensor-data', 3);
  }, 120_000);

  test('a fleet: preset files, one package, and the site is there; then the token may go', async () => {
    const [cloudConfig, ansible] = blocks('A fleet', 'yaml');
    const fresh = JSON.parse(await follow(central, 'tributary-central enrol factory-b --json'));
    const files = filesOfCloudConfig(cloudConfig!);
    expect(files.map(({ path }) => basename(path))).toEqual(['site.toml', 'join-token']);
    for (const { path, mode, content } of files) {
      const file = shareFile(unattended, basename(path), content.replace('TOKEN', fresh.token));
      await unattended.run('install', '-D', '-m', mode, file, path);
    }
    expect(cloudConfig).toContain('packages: [tributary-edge]');
    await install(unattended, ...globSync(`${debs}/*{runtime,edge}*.deb`).map((p) => basename(p)));
    const [, wait] = /ansible\.builtin\.command: (.*)/.exec(ansible!)!;
    expect(await unattended.shell(wait!)).toMatch(/factory-b: agent .*\n.*: connected/);
    await waitFor('its vitals land', async () => {
      return (await landed(central, 'factory-b.host-metrics')).length > 0;
    });
    expect(ansible).toContain('path: /etc/tributary/join-token, state: absent');
    await unattended.run('rm', '/etc/tributary/join-token');
    await unattended.run('systemctl', 'restart', edge);
    await active(unattended, edge);
    expect(await unattended.shell(wait!)).toContain('connected');
  }, 120_000);

  test('shut out with the next request, and in again', async () => {
    await follow(central, 'tributary-central edges disable factory-a');
    await publish('while disabled');
    await waitFor('the gateway says why', async () =>
      (await gateway.show(edge, 'StatusText')).includes('"factory-a" was disabled at central'),
    );
    await follow(central, 'tributary-central edges enable factory-a');
    await landsOnce(central, 'factory-a.sensor-data', 4);
  }, 120_000);

  test('other machines see the dashboard over TLS with the token that root keeps, and not without', async () => {
    const secret = 'f'.repeat(40);
    const settings = '[status]\\nremote = "0.0.0.0:8444"\\n';
    await central.shell(`printf '${settings}' > /etc/tributary/central.d/status.toml`);
    const token = shareFile(central, 'status-token', secret);
    await central.run('install', '-m', '600', token, '/etc/tributary/status-token');
    await central.run('systemctl', 'restart', 'tributary-central.service');
    await active(central, 'tributary-central.service');
    const ask = (...more: string[]) =>
      gateway.run(
        ...['curl', '-sk', '-o', '/dev/null', '-w', '%{http_code}', '--tls-max', '1.3'],
        ...[...more, 'https://central.example:8444/api/v1/edges'],
      );
    expect(await ask()).toBe('401');
    expect(await ask('-H', `Authorization: Bearer ${secret}`)).toBe('200');
    expect(await central.run('journalctl', '--no-pager', '-o', 'cat')).not.toContain(secret);
  }, 60_000);

  test("central's authority is replaced while it runs; whoever was away comes back", async () => {
    await setCables(gateway, 'down');
    const pid = await central.show('tributary-central.service', 'MainPID');
    expect(await follow(central, 'tributary-central authority rotate')).toContain(
      '2 sites have not renewed since: factory-a, factory-b',
    );
    await publish('while the key changed');
    // A new connection, with a certificate and a faith of before.
    await gateway.run('systemctl', 'restart', edge);
    await setCables(gateway, 'up');
    await landsOnce(central, 'factory-a.sensor-data', 5);
    expect(await central.show('tributary-central.service', 'MainPID')).toBe(pid);
  }, 120_000);

  test('no secret is in any log, status, command line or dump of memory', async () => {
    const secrets = [parseToken(token)!.secret];
    for (const [machine, folder] of [
      [gateway, '/var/lib/tributary-edge/credential.json'],
      [central, '/var/lib/tributary-central/authority.pem'],
    ] as const) {
      const text = (await machine.run('cat', folder)).replaceAll('\\n', '\n');
      secrets.push(/PRIVATE KEY-----\s+(\S{40})/.exec(text)![1]!);
    }
    const told = await Promise.all([
      ...[gateway, central].map(async (machine) =>
        // sudo's own line has the command that was typed, README says how to leave it out.
        (await journal(machine)).replaceAll(/^.*COMMAND=.*$/gm, ''),
      ),
      gateway.run('systemctl', 'show', edge),
      gateway.shell('curl -sf http://127.0.0.1:8081/api/v1/status'),
      central.shell('curl -sf http://127.0.0.1:8080/api/v1/edges'),
      central.shell('curl -sf http://127.0.0.1:8080/metrics'),
      ...[gateway, central].map((machine) =>
        machine.shell('cat /proc/[0-9]*/cmdline | tr "\\0" " "'),
      ),
    ]);
    for (const text of told) for (const secret of secrets) expect(text).not.toContain(secret);
    // Killed by a signal that dumps memory, it leaves no dump.
    for (const [machine, name] of [
      [gateway, 'edge'],
      [central, 'central'],
    ] as const) {
      const unit = `tributary-${name}.service`;
      const before = await machine.show(unit, 'MainPID');
      const limits = await machine.shell(`cat /proc/${before}/limits`);
      expect(limits).toMatch(/Max core file size\s+0\s+0\s/);
      await machine.shell(`kill -ABRT ${before}`);
      await waitFor(`${unit} is back`, async () => {
        return !['0', before].includes(await machine.show(unit, 'MainPID'));
      });
      await active(machine, unit);
      expect(await machine.show(unit, 'Result')).toBe('success');
      const dumps = `find / -xdev -name 'core*' -newermt '-2 minutes' -type f -size +100k 2>/dev/null`;
      expect(await machine.shell(`${dumps} || true`)).toBe('');
    }
  }, 120_000);

  test('a token that is typed is out of sight of "ps" while join waits for a central', async () => {
    const secret = 'A'.repeat(43);
    const typedToken = `${'0'.repeat(16)}.${secret}.${'B'.repeat(43)}`;
    // A central that takes the connection and says nothing.
    const silent = gateway.inside(
      'sh',
      '-c',
      'echo $$ > /tmp/silent.pid; exec perl -e "$0"',
      listener,
    );
    const listening = attempt(...silent);
    await waitFor('it listens', async () =>
      (await gateway.shell('cat /proc/net/tcp')).includes(':2694 '),
    );
    const join = attempt(
      ...gateway.inside('tributary-edge', 'join', typedToken, '--url', 'https://127.0.0.1:9876'),
    );
    const commands = () =>
      gateway.shell('for f in /proc/[0-9]*/cmdline; do tr "\\0" " " < $f; echo; done');
    await waitFor('join runs', async () => /^tributary-edge join/m.test(await commands()));
    expect(await commands()).not.toContain(secret);
    await gateway.shell('kill $(cat /tmp/silent.pid)');
    await listening;
    const { code, out, err } = await join;
    expect(code).not.toBe(0);
    expect(out + err).not.toContain(secret);
  }, 120_000);
});

const listener =
  'use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 9876, ' +
  'Listen => 5) or die; my @c; push @c, $s->accept while 1;';
