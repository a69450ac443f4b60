import { setting } from '#shared/std/settings-spec.ts';
import { text } from '#shared/std/settings-types.ts';

const namePattern = /^[^/\s]{1,100}$/;

/** Every source has one. */
export const name = setting(text, {
  doc: 'Unique name of this source on this edge.',
  shownDefault: 'made of its type and address',
  check: sourceNameProblem,
});

export function sourceNameProblem(value: string): string | undefined {
  return namePattern.test(value) ? undefined : 'must be 1 to 100 characters, no slash, no space';
}
