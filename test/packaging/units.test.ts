import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { serviceEnvironment, serviceFlags } from '../../packaging/node-flags.ts';

/** What the tests and benches measure is what runs in the field. */
test.each(['edge', 'central'])(
  'the service of tributary-%s runs as everything else does',
  (name) => {
    const unit = readFileSync(
      new URL(`../../systemd/tributary-${name}.service`, import.meta.url),
      'utf8',
    );
    const [, start] = /^ExecStart=(.*)$/m.exec(unit)!;
    expect(start!.split(' ').slice(2, -2)).toEqual(serviceFlags);
    const environment = [...unit.matchAll(/^Environment=(.*)$/gm)].flatMap(([, of]) =>
      of!.split(' '),
    );
    const wanted = Object.entries(serviceEnvironment).map(([key, value]) => `${key}=${value}`);
    expect(environment).toEqual(expect.arrayContaining(wanted));
  },
);
