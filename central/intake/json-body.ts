import { LinkFormatError } from '#shared/wire/json-shape.ts';
import { Refusal } from './refusal.ts';

/** The body as JSON that `check` has found good; a Refusal otherwise. */
export function parseJson<T>(body: Uint8Array, check: (json: unknown) => T): T {
  try {
    return check(
      JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8')),
    );
  } catch (error) {
    if (!(error instanceof LinkFormatError) && !(error instanceof SyntaxError)) throw error;
    throw new Refusal(400, 'bad-message', error.message, { cause: error });
  }
}
