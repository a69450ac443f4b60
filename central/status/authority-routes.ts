import type { Context } from 'hono';
import type { Route, StatusParts } from './app.ts';
import { ApiError } from './errors.ts';
import { query } from './parameters.ts';
import { signedInAs } from './sign-in.ts';
import type { StatusOptions } from './status.ts';

type Enrolment = NonNullable<StatusOptions['enrolment']>;

/** The authority that signs sites' certificates: how it stands, and its replacement. */
export function authorityRoutes({ enrolment, log }: StatusParts): Route[] {
  const asked = (event: string, c: Context) =>
    log.info({ audit: true, event, by: signedInAs(c) }, 'audit: asked for by hand');
  const own = (): Enrolment => {
    if (enrolment) return enrolment;
    throw new ApiError(
      409,
      'no-authority',
      'the link has no authority of its own: it is plain HTTP on loopback, or its certificates ' +
        'are those of an outside authority',
      'set link.tls = "own" and restart central',
    );
  };
  return [
    {
      path: '/api/v1/authority',
      get: (c) => {
        query(c.req.url, []);
        return c.json(own().authority());
      },
    },
    {
      path: '/api/v1/authority/rotate',
      post: async (c) => {
        query(c.req.url, []);
        asked('rotate-authority', c);
        return c.json(await possible(() => own().rotateAuthority()));
      },
    },
    {
      path: '/api/v1/authority/retire',
      post: async (c) => {
        const evenSo = query(c.req.url, ['evenSo']).get('evenSo') === 'true';
        asked('retire-authority', c);
        return c.json(await possible(() => own().retireAuthority(evenSo)));
      },
    },
  ];
}

/** A RangeError is enrolment's way to say that this cannot be done as things stand. */
async function possible<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ApiError(409, 'not-possible', error.message, '/api/v1/authority shows how it stands');
  }
}
