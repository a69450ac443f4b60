/** Numbers as words. Pure: time comes in, nothing is read. All times ms on central's clock. */

const grouped = new Intl.NumberFormat('en');

export const count = (n) => (n === null ? 'unknown' : grouped.format(n));

/** Kafka's offsets say how many there are at most. */
export const recordCount = ({ records, recordsExact }) =>
  `${recordsExact ? '' : '≤ '}${count(records)}`;

/** `1,204 records`, `1 record`. */
export const records = (n) => (n === null ? 'unknown' : `${count(n)} record${n === 1 ? '' : 's'}`);

export function rate(perSecond) {
  if (perSecond === 0) return '0';
  if (perSecond < 0.1) return 'under 0.1';
  return grouped.format(perSecond < 10 ? Math.round(perSecond * 10) / 10 : Math.round(perSecond));
}

const sizes = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function bytes(n) {
  if (n === null) return 'unknown';
  let step = 0;
  let rest = n;
  while (rest >= 1000 && step < sizes.length - 1) {
    rest /= 1024;
    step += 1;
  }
  const digits = step === 0 || rest >= 10 ? 0 : 1;
  return `${rest.toFixed(digits)} ${sizes[step]}`;
}

/** Rounded down, so that "at least" stays true: `0.4 s`, `12 s`, `4 min`, `5 h 12 min`, `3 d 4 h`. */
export function duration(seconds) {
  const s = Math.max(0, seconds);
  if (s < 1) return s < 0.1 ? '0 s' : `${Math.floor(s * 10) / 10} s`;
  if (s < 120) return `${Math.floor(s)} s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h${minutes % 60 ? ` ${minutes % 60} min` : ''}`;
  return `${grouped.format(Math.floor(hours / 24))} d${hours % 24 ? ` ${hours % 24} h` : ''}`;
}

const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const year = new Intl.DateTimeFormat('en-GB', { year: 'numeric' });

/** In the reader's zone: `10:42:07`, with the day when that is not today, with the year if need be. */
export function at(ms, now) {
  const time = clock.format(ms);
  if (year.format(ms) !== year.format(now)) return `${day.format(ms)} ${year.format(ms)} ${time}`;
  return day.format(ms) === day.format(now) ? time : `${day.format(ms)} ${time}`;
}

/**
 * Lag that never claims more than is known: `12 s`; `at least 4 min` + `as of 10:42:07`; `up to date`;
 * `unknown`. `stale`: central itself does not answer any more, so that it may have changed either way:
 * `was 12 s`.
 */
export function lagWords({ lag, state }, now, stale) {
  const asOf = lag.asOf === null ? '' : `as of ${at(Date.parse(lag.asOf), now)}`;
  if (lag.seconds === null) {
    return { words: 'unknown', detail: state === 'never-seen' ? 'never heard from' : asOf };
  }
  const said = lag.atLeast
    ? `at least ${duration(lag.seconds)}`
    : lag.records === 0
      ? 'up to date'
      : duration(lag.seconds);
  return { words: stale ? `was ${said}` : said, detail: lag.atLeast || stale ? asOf : '' };
}

/** Through when a merged topic is complete. */
export function watermarkWords(watermark, now) {
  if (watermark === null) return { words: 'unknown', detail: 'a site has not reported yet' };
  const ms = Date.parse(watermark);
  return { words: at(ms, now), detail: `${duration((now - ms) / 1000)} ago` };
}

export const stateWords = {
  live: 'live',
  'catching-up': 'catching up',
  stalled: 'stalled',
  offline: 'offline',
  'never-seen': 'never seen',
};
