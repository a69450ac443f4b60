import type { Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openStatus, type Status } from '#central/status/status.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { edgeView, type FakeFleet, flowView } from '../central/status/fakes.ts';
import { type Browser, browserMissing, complaintsOf, openBrowser } from './browser.ts';
import { demoFleet, demoLanding, hostileLanding } from './demo-fleet.ts';

/** The dashboard as a person meets it, in a real Chromium. */

const missing = browserMissing();
if (missing !== undefined) console.warn(`the dashboard is not tested: ${missing}`);

let browser: Browser;
let page: Page;
let complaints: string[];
let fleet: FakeFleet;
let status: Status;

const open = async (listen = '127.0.0.1:0', landing = demoLanding()) => {
  const given = { landing, fleet, clock: systemClock, log: silentLog, version: '0.1.0' };
  status = await openStatus({ ...given, listen, linkUrl: 'http://127.0.0.1:8443' });
  return status;
};
const change = (alias: string, over: Parameters<typeof edgeView>[1]) => {
  fleet.views = fleet.views.map((view) => (view.alias === alias ? { ...view, ...over } : view));
};
const row = (alias: string) =>
  page.locator('tbody.site', { has: page.getByRole('button', { name: alias, exact: true }) });
const lag = (alias: string) => row(alias).locator('td[data-label="Lag"] .lines');
/** As a person reads it: line breaks where the page shows them. */
const words = async (place: Locator) => (await place.allInnerTexts()).join('\n');
const text = (selector: string) => words(page.locator(selector));
const live = () => page.locator('#link[data-state="live"]').waitFor();
const clock = (ms: number) => new Date(ms).toISOString().slice(11, 19);

describe.skipIf(missing !== undefined)('dashboard', () => {
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    fleet = demoFleet(Date.now());
    page = await browser.context.newPage();
    page.setDefaultTimeout(20_000);
    complaints = complaintsOf(page);
  });
  afterEach(async () => {
    await page.close();
    await status.close();
    expect(complaints).toEqual([]);
  });

  test('every site has its state in words and a lag that claims no more than is known', async () => {
    const heard = fleet.views.find(({ alias }) => alias === 'plant-linz')!.lag.asOf!;
    await page.goto((await open()).url);
    await row('plant-linz').waitFor();
    expect(await words(lag('plant-graz'))).toBe('up to date');
    expect(await words(lag('quarry-2'))).toBe('10 min');
    expect(await words(lag('plant-linz'))).toBe(`at least 4 min\nas of ${clock(heard)}`);
    expect(await words(row('plant-linz'))).toContain(`96 records\n11 KiB, as of ${clock(heard)}`);
    expect(await words(lag('store-0500'))).toBe('unknown\nnever heard from');
    const states = await page.locator('.sites .badge').allInnerTexts();
    expect(states.map((state) => state.trim())).toEqual([
      'stalled',
      'offline',
      'never seen',
      'live',
      'live',
      'catching up',
      'live',
      'live',
    ]);
    expect(await words(row('store-0412'))).toMatch(/adopt needed: central expects 412 records/);
    expect(await words(row('store-0412'))).toMatch(/59 MiB of 64 MiB\s+full in 90 min/);
    await expect
      .poll(() => text('#flows'))
      .toMatch(/pos-events\s[\s\S]*unknown[\s\S]*store-0412\s+store-0500/);
    expect(await text('#spoken')).toBe(
      '8 sites: 4 live, 1 catching up, 1 stalled, 1 offline, 1 never seen',
    );
    expect(await page.title()).toBe('3 need a look · Tributary');
  });

  test('it updates itself without a reload, and rows keep their place, focus and details', async () => {
    await page.goto((await open()).url);
    await row('plant-graz').waitFor();
    await page.evaluate('window.sameDocument = true');
    await row('plant-graz').getByRole('button').focus();
    await page.keyboard.press('Enter');
    await page.getByText('subscribed to sensors/+/temperature').waitFor();
    const asOf = Date.now();
    change('plant-graz', {
      state: 'offline',
      stateSince: asOf,
      lag: { records: 7, bytes: 70, seconds: 17.9, atLeast: true, asOf },
    });
    fleet.happen({ at: asOf, alias: 'plant-graz', message: 'fell silent' });
    await row('plant-graz').getByText('offline').waitFor();
    expect(await words(lag('plant-graz'))).toBe(`at least 17 s\nas of ${clock(asOf)}`);
    await page.locator('#happenings').getByText('fell silent').waitFor();
    expect(await words(page.locator('#happenings li').first())).toContain('plant-graz');
    expect(await words(row('plant-graz'))).toContain('subscribed to sensors/+/temperature');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('plant-graz');
    fleet.views = fleet.views.filter(({ alias }) => alias !== 'store-0500');
    fleet.views.push(edgeView('plant-new'));
    await row('plant-new').waitFor();
    await row('store-0500').waitFor({ state: 'detached' });
    expect(await page.evaluate('window.sameDocument')).toBe(true);
  });

  test('a central that does not answer is said so, and its restart needs no reload', async () => {
    const { url, close } = await open();
    await page.goto(url);
    await row('plant-linz').waitFor();
    await page.evaluate('window.sameDocument = true');
    await close();
    await page.locator('#stale').waitFor();
    expect(await text('#stale')).toMatch(/^Central does not answer since \d\d:\d\d:\d\d; what you/);
    expect(await words(lag('plant-graz'))).toMatch(/^was up to date\nas of \d\d:\d\d:\d\d$/);
    expect(await words(lag('plant-linz'))).toMatch(/^was at least 4 min\nas of /);
    expect(await page.title()).toBe('No answer · Tributary');
    change('plant-linz', { state: 'live', stateSince: Date.now() });
    await open(url.replace('http://', ''));
    await live();
    await row('plant-linz').locator('.badge', { hasText: 'live' }).waitFor();
    await page.locator('#stale').waitFor({ state: 'hidden' });
    expect(await page.evaluate('window.sameDocument')).toBe(true);
    // The browser itself reports what it could not reach while central was away.
    complaints = complaints.filter((line) => !/ERR_(CONNECTION|INCOMPLETE)|network/i.test(line));
  });

  test('before central answers the page claims nothing', async () => {
    await page.route('**/api/v1/**', () => {});
    await page.goto((await open()).url);
    await page.locator('#link-words', { hasText: 'Connecting' }).waitFor();
    expect(await page.locator('.empty:visible').count()).toBe(0);
  });

  test('without server-sent events it polls', async () => {
    await page.route('**/api/v1/events', (route) => route.fulfill({ status: 503, body: '' }));
    await page.goto((await open()).url);
    await page.locator('#link[data-state="polling"]').waitFor();
    change('plant-graz', { state: 'stalled' });
    await row('plant-graz').getByText('stalled').waitFor();
    complaints = complaints.filter((line) => !line.includes('503'));
  });

  test('a topic opens at its last records and can be paged', async () => {
    await page.goto((await open()).url);
    await page.locator('#topics').getByRole('button', { name: 'store-0412.pos-events' }).click();
    const offsets = () => page.locator('#records tbody tr td:first-child').allInnerTexts();
    await expect.poll(offsets).toHaveLength(50);
    expect((await offsets())[0]).toBe('77309');
    await page.locator('#records').getByRole('button', { name: 'Older' }).click();
    await expect.poll(async () => (await offsets())[0]).toBe('77259');
    await page.locator('#records').getByRole('button', { name: 'Close' }).click();
    await page.locator('#records').waitFor({ state: 'hidden' });
  });

  const payload = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>';

  test('hostile names, messages and records are only text', async () => {
    fleet.views.push(
      edgeView(payload, {
        alarms: [payload],
        version: payload,
        sources: [
          { name: payload, type: payload, state: 'running', detail: payload, acceptedRecords: 1 },
        ],
      }),
    );
    fleet.flowViews = [flowView(payload, { from: [payload], heldBackBy: [payload] })];
    fleet.happen({ alias: payload, message: payload });
    await page.goto((await open('127.0.0.1:0', hostileLanding(payload))).url);
    await row(payload).getByRole('button').click();
    await page.locator('#topics').getByRole('button', { name: payload }).click();
    await page.locator('#records').getByText('Could not be read').waitFor();
    await page.locator('#topics').getByRole('button', { name: 'plain' }).click();
    await expect.poll(() => page.locator('#records tbody tr').count()).toBe(3);
    for (const summary of await page.locator('#records summary').all()) await summary.click();
    expect(await text('#records')).toContain(payload);
    expect(await text('#happenings')).toContain(payload);
    expect(await page.locator('body img').count()).toBe(1);
    expect(await page.locator('body script').count()).toBe(0);
    expect(await page.evaluate('window.hacked')).toBeUndefined();
    // The topic whose name is none was refused by the API, which the browser reports.
    complaints = complaints.filter((line) => !line.includes('400 (Bad Request)'));
  });

  test('it fits a telephone and a wide screen, in light and in dark', async () => {
    await page.goto((await open()).url);
    await row('store-0412').getByRole('button').click();
    await page.locator('#topics .topic-link').first().click();
    await page.locator('#records tbody tr').first().waitFor();
    for (const width of [360, 400, 768, 1024, 1600]) {
      await page.setViewportSize({ width, height: 900 });
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    }
    const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
    await page.emulateMedia({ colorScheme: 'light' });
    const light = await background();
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await background()).not.toBe(light);
  });

  test('two hundred sites that all change every second leave the page quick', async () => {
    fleet.views = Array.from({ length: 200 }, (_, n) => edgeView(`store-${n}`));
    await page.goto((await open()).url);
    await row('store-199').waitFor();
    await page.evaluate(`
      window.firstRow = document.querySelector('tbody.site');
      window.slowest = 0;
      new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) window.slowest = Math.max(window.slowest, duration);
      }).observe({ type: 'longtask' });
    `);
    for (let n = 1; n <= 4; n++) {
      const seconds = 100 * n;
      fleet.views = fleet.views.map((view) => ({ ...view, lag: { ...view.lag, seconds } }));
      await lag('store-199')
        .getByText(n === 1 ? '100 s' : `${Math.floor(seconds / 60)} min`)
        .waitFor();
    }
    expect(await page.evaluate('window.firstRow.isConnected')).toBe(true);
    // Drawing takes a few ms; the bound leaves room for a machine that is busy with other tests.
    expect(await page.evaluate('window.slowest')).toBeLessThan(500);
  });

  test('states and names narrow the table', async () => {
    await page.goto((await open()).url);
    await row('store-0412').waitFor();
    await page.locator('#chips').getByRole('button', { name: 'live' }).click();
    await expect.poll(() => page.locator('tbody.site').count()).toBe(4);
    await page.getByRole('searchbox', { name: 'Find a site' }).fill('graz');
    await expect.poll(() => page.locator('tbody.site').count()).toBe(1);
    await page.getByRole('searchbox', { name: 'Find a site' }).fill('nowhere');
    await page.getByText('No site is like that.').waitFor();
  });

  test('a central without sites says what to do first', async () => {
    fleet.views = [];
    fleet.flowViews = [];
    fleet.ring.length = 0;
    await page.goto((await open('127.0.0.1:0', demoLanding({ topics: async () => [] }))).url);
    await page.getByText('Start an edge with central.url = "http://127.0.0.1:8443".').waitFor();
    await page.getByText('No flow yet.').waitFor();
    await page.getByText('Nothing has landed yet.').waitFor();
    await page.getByText('Nothing since central started.').waitFor();
  });
});
