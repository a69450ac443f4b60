import type { Hono } from 'hono';
import {
  checkEnrolRequest,
  checkRenewRequest,
  enrolBytesMax,
  enrolPath,
} from '#shared/wire/enrol.ts';
import type { Enrolment } from '../enrol/enrol.ts';
import { certificateOf, refusalOf, tlsSocketOf } from './authenticate.ts';
import { type BodyRules, withBody } from './body.ts';
import { parseJson } from './json-body.ts';
import { Refusal } from './refusal.ts';

/** Strangers speak here: their bodies are small and few, and share one name in the budget. */
const strangers = '(enrol)';
/** Tries at once, over all peers; an honest gateway tries once. */
const underWayMax = 32;
/** Few bytes need little time, also over a bad link. */
const patienceMs = 10_000;

/** `enrol` and `renew`: answered before anybody is known by name. */
export function enrolRoutes(
  app: Hono,
  enrolment: Enrolment,
  rules: Pick<BodyRules, 'budget' | 'clock' | 'timeoutMs'>,
): void {
  const answer = (path: string, reply: (json: unknown, env: unknown) => Promise<object>): void => {
    let underWay = 0;
    app.post(path, async (c) => {
      if (underWay >= underWayMax) {
        throw new Refusal(429, 'too-much-at-once', 'many gateways are joining', {
          retryAfterSeconds: 2,
        });
      }
      underWay += 1;
      const timeoutMs = Math.min(rules.timeoutMs, patienceMs);
      const bounds = { ...rules, timeoutMs, alias: strangers, bytesMax: enrolBytesMax };
      try {
        return Response.json(
          await withBody(c.req.raw, bounds, (body) =>
            reply(
              parseJson(body, (x) => x),
              c.env,
            ),
          ),
        );
      } catch (error) {
        throw refusalOf(error);
      } finally {
        underWay -= 1;
      }
    });
    app.all(path, () => {
      throw new Refusal(405, 'method-not-allowed', `${path} takes POST`);
    });
  };
  answer(enrolPath.enrol, (json, env) => {
    const request = checked(() => checkEnrolRequest(json));
    return enrolment.enrol(request, tlsSocketOf(env)?.remoteAddress);
  });
  answer(enrolPath.renew, (json, env) => {
    const certificate = certificateOf(tlsSocketOf(env));
    if (!certificate) {
      throw new Refusal(403, 'no-credential', 'only who shows a certificate can renew it');
    }
    return enrolment.renew(
      certificate,
      checked(() => checkRenewRequest(json)),
    );
  });
}

function checked<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw new Refusal(400, 'bad-message', (error as Error).message, { cause: error });
  }
}
