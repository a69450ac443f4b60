import { globSync, readFileSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#shared/std/clock.ts';
import { buildPackages } from './build.ts';
import { bootMachine, type Machine, waitFor } from './machine.ts';
import { whyNot } from './requirements.ts';
import { type Release, rootFileSystem } from './root-file-system.ts';
import {
  active,
  install,
  landed,
  landsOnce,
  post,
  publish,
  settings,
  setUpSite,
  startLoad,
} from './site.ts';

const edge = 'tributary-edge.service';
const central = 'tributary-central.service';
const script = readFileSync(new URL('load.mjs', import.meta.url), 'utf8');
const isMissing = whyNot(['systemd-nspawn', 'nsenter', 'debootstrap', 'dpkg-deb', 'strip', 'curl']);

const deb = (name: string, version: string) => `${name}_${version}_amd64.deb`;
const programs = (version: string) =>
  ['tributary-edge', 'tributary-central'].map((name) => deb(name, version));

/** The life of the packages on a real systemd: each step goes on from where the one before stopped. */
export function lifeOfPackages(release: Release): void {
  describe.skipIf(isMissing !== undefined)(`packages on Debian ${release}`, () => {
    const built: string[] = [];
    let machine: Machine;

    beforeAll(async () => {
      const fast = ['--arch', 'amd64', '--compression', 'zstd'];
      built.push(await buildPackages(...fast));
      const second = ['--only', 'edge', '--only', 'central', '--version', '0.9.0'];
      built.push(await buildPackages(...fast, ...second));
      const debs = built.flatMap((folder) => globSync(`${folder}/*.deb`));
      machine = await bootMachine(await rootFileSystem(release), debs);
      await machine.run('systemctl', 'start', 'mosquitto');
    }, 300_000);
    afterAll(async () => {
      await machine?.stop();
      for (const folder of built) rmSync(folder, { recursive: true, force: true });
    }, 60_000);

    const journalHas = (words: string, unit = edge) =>
      waitFor(`"${words}" in the journal`, async () =>
        (await machine.run('journalctl', '-u', unit, '--no-pager', '-o', 'cat')).includes(words),
      );
    const newestVersion = () => machine.run('tributary-edge', '--version');

    test('an installed edge without an alias says what to do and is no failure', async () => {
      const names = globSync(`${built[0]}/*.deb`).map((path) => basename(path));
      await install(machine, ...names);
      expect(await machine.show(edge, 'ActiveState')).toBe('inactive');
      await journalHas('not set up yet: run "tributary-edge join TOKEN"');
      await active(machine, central);
      expect(await machine.show(central, 'StatusText')).toBe('no site has called yet');
      expect(await machine.run('systemctl', '--failed', '--no-legend')).toBe('');
      expect(await machine.run('dpkg', '--audit')).toBe('');
    }, 120_000);

    test('with an alias it serves, and what a real broker publishes lands at central', async () => {
      await setUpSite(machine);
      expect(await machine.run('tributary-edge', 'check')).toContain(
        'ok: /etc/tributary/edge.toml',
      );
      await machine.run('systemctl', 'restart', edge);
      expect(await machine.show(edge, 'ActiveState')).toBe('active');
      await journalHas('connected to mqtt://127.0.0.1:1883');
      await publish(machine, 'first');
      await landsOnce(machine, 'factory-a.sensor-data', 1);
    }, 60_000);

    test('both services expose little', async () => {
      for (const unit of [edge, central]) {
        const said = await machine.run('systemd-analyze', 'security', '--no-pager', unit);
        const score = /exposure level for \S+: ([\d.]+)/.exec(said)?.[1];
        expect(Number(score), `${unit}: ${score}`).toBeLessThanOrEqual(1.5);
      }
    }, 60_000);

    test('the watchdog restarts a program that hangs, and its status is in words', async () => {
      for (const unit of [edge, central]) {
        const folder = `/etc/systemd/system/${unit}.d`;
        const lines = '[Service]\\nWatchdogSec=3\\nTimeoutAbortSec=1\\n';
        await machine.shell(`mkdir -p ${folder}; printf '${lines}' > ${folder}/test.conf`);
      }
      await machine.run('systemctl', 'daemon-reload');
      for (const unit of [central, edge]) {
        await machine.run('systemctl', 'restart', unit);
        const before = await machine.show(unit, 'MainPID');
        await machine.shell(`kill -STOP ${before}`);
        await waitFor(`${unit} is restarted`, async () => {
          return (await machine.show(unit, 'NRestarts')) === '1';
        });
        await active(machine, unit);
        expect(await machine.show(unit, 'MainPID')).not.toBe(before);
        await journalHas('Watchdog timeout', unit);
      }
      await waitFor('the link is up again', async () =>
        /^nothing waits; link to \S+ up$/.test(await machine.show(edge, 'StatusText')),
      );
      await waitFor('central tells of its site', async () =>
        /^1 site: 1 \S+; /.test(await machine.show(central, 'StatusText')),
      );
      // A process that works is left alone: three watchdog periods more.
      await systemClock.sleep(9_000);
      expect(await machine.show(edge, 'NRestarts')).toBe('1');
      await publish(machine, 'second');
      await landsOnce(machine, 'factory-a.sensor-data', 2);
    }, 120_000);

    test('a reload takes new settings without a restart, keeps the old ones from bad ones, and loses nothing', async () => {
      const before = await machine.show(edge, 'MainPID');
      const load = startLoad(machine, 'reloads', script);
      await setUpSite(machine, '[log]\nlevel = "debug"\n');
      await machine.run('systemctl', 'reload', edge);
      await journalHas('the new settings are in effect');
      await setUpSite(machine, '[buffer]\nmax_bytes = "10 cows"\n');
      await machine.run('systemctl', 'reload', edge);
      await journalHas('the new settings were not taken');
      await journalHas('10 cows');
      await setUpSite(machine);
      const { accepted } = await load.end();
      expect(await machine.show(edge, 'MainPID')).toBe(before);
      await landsOnce(machine, 'factory-a.reloads', accepted);
    }, 60_000);

    test('killed without warning, both come back and nothing is lost or there twice', async () => {
      const load = startLoad(machine, 'kills', script);
      for (const unit of [edge, central, edge]) {
        const before = await machine.show(unit, 'MainPID');
        await machine.shell(`kill -KILL ${before}`);
        await waitFor(`${unit} is back`, async () => {
          const now = await machine.show(unit, 'MainPID');
          return now !== before && now !== '0';
        });
        await active(machine, unit);
      }
      const { accepted } = await load.end();
      expect(accepted).toBeGreaterThan(10);
      await landsOnce(machine, 'factory-a.kills', accepted);
    }, 120_000);

    test('an upgrade under load loses and doubles nothing, and takes in again within 5 s', async () => {
      const load = startLoad(machine, 'upgrades', script);
      await waitFor(
        'records flow',
        async () => (await landed(machine, 'factory-a.upgrades')).length > 20,
      );
      await install(machine, ...programs('0.9.0'));
      await active(machine, edge);
      expect(await newestVersion()).toBe('tributary-edge 0.9.0');
      const before = await machine.show(edge, 'MainPID');
      const runtime = globSync(`${built[0]}/*runtime*.deb`).map((path) => basename(path));
      await install(machine, ...runtime);
      await waitFor('another Node is taken', async () => {
        return !['0', before].includes(await machine.show(edge, 'MainPID'));
      });
      await active(machine, edge);
      const flowed = (await landed(machine, 'factory-a.upgrades')).length;
      await waitFor(
        'records flow again',
        async () => (await landed(machine, 'factory-a.upgrades')).length > flowed + 20,
      );
      const { accepted, gapMs } = await load.end();
      expect(gapMs).toBeLessThan(5_000);
      await landsOnce(machine, 'factory-a.upgrades', accepted);
      expect(await machine.run('cat', '/etc/tributary/edge.d/site.toml')).toBe(settings().trim());
    }, 120_000);

    test('a stop drains what is buffered within its time', async () => {
      const load = startLoad(machine, 'stops', script);
      await waitFor(
        'records flow',
        async () => (await landed(machine, 'factory-a.stops')).length > 0,
      );
      await machine.run('systemctl', 'stop', edge);
      expect(await machine.show(edge, 'Result')).toBe('success');
      const list = JSON.parse(await machine.run('tributary-edge', 'buffer', 'list', '--json'));
      expect(list.streams.length).toBeGreaterThan(0);
      for (const { backlogRecords } of list.streams) expect(backlogRecords).toBe(0);
      const owners = await machine.shell('stat -c %U /var/lib/tributary-edge/* | sort -u');
      expect(owners).toBe('tributary-edge');
      await machine.run('systemctl', 'start', edge);
      const { accepted } = await load.end();
      await landsOnce(machine, 'factory-a.stops', accepted);
    }, 60_000);

    test('an upgrade respects a disabled service, and one that cannot start', async () => {
      await machine.run('systemctl', 'disable', '--now', edge);
      await install(machine, deb('tributary-edge', '0.9.0'));
      expect((await machine.attempt('systemctl', 'is-enabled', edge)).out.trim()).toBe('disabled');
      await setUpSite(machine, '[buffer]\nmax_bytes = "10 cows"\n');
      await machine.run('systemctl', 'enable', edge);
      await install(machine, deb('tributary-edge', '0.9.0'));
      await machine.attempt('systemctl', 'start', edge);
      expect(await machine.show(edge, 'ActiveState')).toBe('failed');
      expect(await machine.run('dpkg', '--audit')).toBe('');
      await setUpSite(machine);
      await machine.run('systemctl', 'start', edge);
      await active(machine, edge);
    }, 60_000);

    test('remove keeps the data; purge keeps what central never got, and says how much', async () => {
      await machine.run('systemctl', 'stop', central);
      for (const value of ['one', 'two', 'three']) await post(machine, 'kept', value);
      await machine.run('apt-get', 'remove', '-y', 'tributary-edge');
      expect(await machine.run('ls', '/var/lib/tributary-edge')).toContain('buffer.db');
      const { code, out, err } = await machine.attempt('apt-get', 'purge', '-y', 'tributary-edge');
      expect(code).toBe(0);
      expect(out + err).toContain('3 records in /var/lib/tributary-edge never reached central');
      expect((await machine.attempt('test', '-e', '/etc/tributary/edge.toml')).code).toBe(1);
      await machine.run('systemctl', 'start', central);
      await install(machine, deb('tributary-edge', '0.9.0'));
      await setUpSite(machine);
      await machine.run('systemctl', 'restart', edge);
      await landsOnce(machine, 'factory-a.kept', 3);
    }, 60_000);

    test('purge takes the data when all has arrived, or when it is told to', async () => {
      await machine.run('systemctl', 'stop', edge);
      await machine.run('apt-get', 'purge', '-y', 'tributary-edge');
      expect((await machine.attempt('test', '-e', '/var/lib/tributary-edge')).code).toBe(1);
      await install(machine, deb('tributary-edge', '0.9.0'));
      await setUpSite(machine);
      await machine.run('systemctl', 'stop', central);
      await machine.run('systemctl', 'restart', edge);
      await post(machine, 'given-up', 'one');
      await machine.run('env', 'TRIBUTARY_PURGE=all', 'apt-get', 'purge', '-y', 'tributary-edge');
      await machine.run('apt-get', 'purge', '-y', 'tributary-central', 'tributary-runtime');
      const left = await machine.shell(
        'find /etc /usr /var/lib -xdev -name "*tributary*" -not -path "*/system/*.d*"',
      );
      expect(left).toBe('');
      expect(await machine.run('dpkg', '--audit')).toBe('');
    }, 60_000);
  });
}
