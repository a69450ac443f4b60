import { integer, nullable, object, oneOf, type Shape, text, where } from './json-shape.ts';
import { limits } from './limits.ts';
import { type Loss, lossReasons } from './loss.ts';

const count = integer();

const shape: Shape<Loss> = where(
  object({
    first: count,
    span: integer(1),
    records: count,
    scope: oneOf('stream', 'source'),
    bytes: count,
    from: nullable(count),
    to: nullable(count),
    reason: oneOf(...lossReasons),
    detail: text(limits.lossDetailLength),
  }),
  ({ first, span, records, scope }) => {
    if (!Number.isSafeInteger(first + span)) return 'the range ends beyond the safe integers';
    if (scope === 'source' && span !== 1) return `a marker takes one sequence, not ${span}`;
    if (scope === 'stream' && records !== span) return `${records} records in a range of ${span}`;
    return undefined;
  },
);

/** A loss made only of known fields; throws a LinkFormatError. */
export const checkLoss = (json: unknown): Loss => shape(json, 'loss');
