import { browserMissing, openBrowser } from './browser.ts';

/**
 * Takes the README's picture of a running central's dashboard:
 * `node test/browser/picture.ts http://127.0.0.1:8080 packaging/files/dashboard.png [seconds] [dark]`.
 * It watches for so many seconds first (60 by default), so that the lines of lag have a past.
 */
const [url, file, seconds = '60', scheme = 'light'] = process.argv.slice(2);
const missing = browserMissing();
if (url === undefined || file === undefined || missing !== undefined) {
  console.error(missing ?? 'usage: picture.ts URL FILE.png [SECONDS] [light|dark]');
  process.exitCode = 2;
} else {
  const browser = await openBrowser();
  const page = await browser.context.newPage();
  await page.emulateMedia({ colorScheme: scheme === 'dark' ? 'dark' : 'light' });
  await page.goto(url);
  await page.locator('#link[data-state="live"]').waitFor();
  await page.waitForTimeout(Number(seconds) * 1_000);
  await page.screenshot({ path: file });
  await browser.close();
}
