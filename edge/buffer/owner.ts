import type { Database } from 'better-sqlite3';
import type { BufferOptions } from './buffer.ts';
import { BufferOpenError } from './buffer-errors.ts';
import { Meta } from './meta.ts';

/**
 * A buffer has one alias for life: its sealed segments carry the name, and central refuses those
 * that come under another. Throws a BufferOpenError `settings` where that is not so.
 */
export function assertOwner(database: Database, { alias, path }: BufferOptions): void {
  const meta = new Meta(database);
  const owner = meta.text('alias');
  if (owner === null) meta.set('alias', alias);
  if (owner === null || owner === alias) return;
  throw new BufferOpenError(
    'settings',
    `alias = "${alias}": the buffer ${path} is that of "${owner}"; set alias = "${owner}", or name ` +
      'another file in buffer.path (and let the old one drain under its own name first)',
  );
}
