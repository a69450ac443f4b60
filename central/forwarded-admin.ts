import { randomBytes } from 'node:crypto';
import type { Clock } from '#shared/std/clock.ts';
import type { IntakeAdmin } from './intake/intake.ts';
import { type Landing, LandingError } from './landing/landing.ts';

type Action = keyof IntakeAdmin;

/** A fact of the registry: what a person asked for at a collector that does not serve the site. */
interface Asked {
  alias: string;
  action: Action;
  /** Wall clock of who wrote it, ms. */
  at: number;
  /** `taken`: its collector is at it. Done: the fact is gone. */
  state: 'asked' | 'taken' | 'failed';
  /** Of `failed`. */
  message?: string;
}

const prefix = 'asked/';
/** How long a person waits for the collector that serves the site. */
const patienceMs = 10_000;
const lookMs = 100;
const serveMs = 1_000;
/** Nobody waits for it any more. */
const staleMs = 300_000;

export interface ForwardedAdmin {
  admin: IntakeAdmin;
  close(): void;
}

/**
 * What a person does to a site works at every collector: where another serves the site it goes by
 * the registry, which all follow. The one that serves it takes it, does it once, and takes the fact
 * away. So it outlives a takeover, and needs no way from collector to collector.
 */
export function forwardedAdmin(
  admin: IntakeAdmin,
  landing: Landing,
  { clock }: { clock: Clock },
): ForwardedAdmin {
  if (!landing.route) return { admin, close() {} };
  const asker = new Asker(landing, clock);
  const server = new Server(admin, landing, clock);
  landing.onRegistry?.(() => void server.serve());
  const stop = clock.every(serveMs, () => void server.serve());
  const at = (action: Action) => async (alias: string) => {
    if (isServedHere(landing, alias)) {
      const done = await admin[action](alias).then(() => true, ifMoved);
      if (done) return;
    }
    await asker.ask(alias, action);
  };
  return {
    admin: {
      ...{ adopt: at('adopt'), remove: at('remove') },
      ...{ disable: at('disable'), enable: at('enable') },
    },
    close: stop,
  };
}

const isServedHere = (landing: Landing, alias: string): boolean =>
  landing.route?.(alias).to === 'here';

const isMoved = (error: unknown): boolean =>
  error instanceof LandingError && error.code === 'moved';

const ifMoved = (error: unknown): false => {
  if (!isMoved(error)) throw error;
  return false;
};

class Asker {
  readonly #landing: Landing;
  readonly #clock: Clock;

  constructor(landing: Landing, clock: Clock) {
    this.#landing = landing;
    this.#clock = clock;
  }

  /** Resolves when it is done. Rejects with a RangeError or LandingError. */
  async ask(alias: string, action: Action): Promise<void> {
    const key = `${prefix}${randomBytes(8).toString('hex')}`;
    const asked: Asked = { alias, action, at: Math.round(this.#clock.now()), state: 'asked' };
    await this.#landing.register([{ key, value: JSON.stringify(asked) }]);
    const began = this.#clock.monotonic();
    for (;;) {
      const now = await read(this.#landing, key);
      if (!now) return;
      if (now.asked.state === 'failed') {
        await this.#landing.register([{ key, value: null }]);
        throw new RangeError(now.asked.message);
      }
      const waited = this.#clock.monotonic() - began;
      if (waited > patienceMs && (await this.#givesUp(key, now, waited))) throw late(now.asked);
      await this.#clock.sleep(lookMs);
    }
  }

  /** What was not taken can be taken back for certain; what was is given some more time. */
  async #givesUp(key: string, { asked, value }: Found, waitedMs: number): Promise<boolean> {
    if (asked.state === 'taken' && waitedMs <= 2 * patienceMs) return false;
    try {
      await this.#landing.register([{ key, value: null }], new Map([[key, value]]));
      return true;
    } catch (error) {
      if (error instanceof LandingError && error.code === 'fenced') return false;
      throw error;
    }
  }
}

const late = ({ alias, state }: Asked): LandingError =>
  state === 'asked'
    ? new LandingError('unavailable', `no collector serves "${alias}" now; nothing was changed`)
    : new LandingError('uncertain', `the collector of "${alias}" took it and did not answer; look`);

interface Found {
  key: string;
  asked: Asked;
  value: string;
}

const found = ({ key, value }: { key: string; value: string }): Found => {
  return { key, value, asked: JSON.parse(value) as Asked };
};

async function read(landing: Landing, key: string): Promise<Found | undefined> {
  return (await landing.registry(key)).map(found)[0];
}

/** Does for others what was asked about sites that are served here. */
class Server {
  readonly #admin: IntakeAdmin;
  readonly #landing: Landing;
  readonly #clock: Clock;
  readonly #underWay = new Set<string>();

  constructor(admin: IntakeAdmin, landing: Landing, clock: Clock) {
    this.#admin = admin;
    this.#landing = landing;
    this.#clock = clock;
  }

  /** Where the landing fails the facts stay as they are, and the next look takes them up again. */
  async serve(): Promise<void> {
    const all = await this.#landing.registry(prefix).catch(() => []);
    const ours = all.map(found).filter(({ key, asked }) => {
      return !this.#underWay.has(key) && isServedHere(this.#landing, asked.alias);
    });
    for (const one of ours) this.#underWay.add(one.key);
    await Promise.all(
      ours.map((one) =>
        this.#one(one)
          .catch(() => {})
          .finally(() => this.#underWay.delete(one.key)),
      ),
    );
  }

  async #one({ key, asked, value }: Found): Promise<void> {
    const is = new Map([[key, value]]);
    if (this.#clock.now() - asked.at > staleMs) {
      await this.#landing.register([{ key, value: null }], is);
      return;
    }
    if (asked.state !== 'asked') return;
    const say = (more: Partial<Asked>) => JSON.stringify({ ...asked, ...more });
    await this.#landing.register([{ key, value: say({ state: 'taken' }) }], is);
    const outcome = await this.#admin[asked.action](asked.alias).then(
      () => null,
      (error: Error) => say(isMoved(error) ? {} : { state: 'failed', message: error.message }),
    );
    await this.#landing.register([{ key, value: outcome }]);
  }
}
