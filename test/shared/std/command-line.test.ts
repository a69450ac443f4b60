import { expect, test } from 'vitest';
import {
  CommandArgs,
  CommandError,
  type Program,
  runProgram,
  UsageError,
} from '#shared/std/command-line.ts';
import { SettingsError } from '#shared/std/settings-problem.ts';
import { capturedIo } from './captured-io.ts';

class PlainError extends Error {
  override name = 'PlainError';
}

const program: Program = {
  name: 'prog',
  summary: 'does things.',
  version: '1.2.3',
  plainErrors: new Set(['PlainError']),
  commands: [
    {
      name: 'show',
      summary: 'Show it.',
      details: 'In detail.',
      words: ['NAME', '[MORE]'],
      options: {
        json: { type: 'boolean', doc: 'Print JSON.' },
        limit: { type: 'string', value: 'N', doc: 'How many.' },
        set: { type: 'string', multiple: true, doc: 'Several.' },
      },
      async run(args, io) {
        const { words } = args;
        const limit = args.number('limit', 7, 1, 10);
        io.out(JSON.stringify({ words, limit, json: args.flag('json'), set: args.texts('set') }));
        return 0;
      },
    },
    { name: 'list things', summary: 'List things.', run: async () => 3 },
    { name: 'edges list', summary: 'List.', run: async () => 4 },
    { name: 'edges show', summary: 'Show.', words: ['ALIAS'], run: async () => 5 },
    ...(
      [
        ['usage', new UsageError('not like this')],
        ['fails', new CommandError('no; do that')],
        ['plain', new PlainError('locked; stop the other')],
        ['bug', new TypeError('x is not a function')],
        ['settings', new SettingsError([{ origin: null, key: 'a', message: 'is missing' }])],
      ] as const
    ).map(([name, error]) => ({
      name,
      summary: name,
      run: async () => {
        throw error;
      },
    })),
  ],
};

async function run(...argv: string[]) {
  const io = capturedIo();
  const code = await runProgram(program, argv, io);
  return { code, output: io.output(), errors: io.errors() };
}

test('a command gets its words and options', async () => {
  const { code, output } = await run('show', 'a', '--set', 'x=1', '--json', '--set=y=2', 'b');
  expect(code).toBe(0);
  expect(JSON.parse(output)).toEqual({
    words: ['a', 'b'],
    limit: 7,
    json: true,
    set: ['x=1', 'y=2'],
  });
});

test('commands of two words, and one word that stands for its list', async () => {
  expect((await run('list', 'things')).code).toBe(3);
  expect((await run('edges')).code).toBe(4);
  expect((await run('edges', 'show', 'a')).code).toBe(5);
  const wrong = await run('edges', 'sow', 'a');
  expect(wrong).toMatchObject({ code: 2, errors: 'prog edges has no "sow"; it has: list, show\n' });
});

test('help names every command, and each command explains itself', async () => {
  for (const argv of [['--help'], ['help'], ['-h']]) {
    const { code, output } = await run(...argv);
    expect(code).toBe(0);
    expect(output).toContain('prog 1.2.3: does things.');
    expect(output).toContain('edges show   Show.');
  }
  const { output, code } = await run('show', '--help');
  expect(code).toBe(0);
  expect(output).toContain('Usage: prog show NAME [MORE] [OPTION…]');
  expect(output).toContain('In detail.');
  expect(output).toMatch(/--limit N +How many\./);
  expect((await run()).code).toBe(2);
  expect((await run('--version')).output).toBe('prog 1.2.3\n');
});

test.each([
  [['shw', 'x'], 'prog has no command "shw"; did you mean "show"?'],
  [['frobnicate'], 'prog has no command "frobnicate"; it knows: show, list'],
  [['show'], 'prog show: NAME is missing'],
  [['show', 'a', 'b', 'c'], 'does not know what "c" is'],
  [['show', 'a', '--jsno'], "Unknown option '--jsno'; see prog show --help"],
  [['show', 'a', '--limit'], 'argument missing'],
  [['show', 'a', '--limit', '11'], '--limit 11: must be a whole number from 1 to 10'],
  [['show', 'a', '--limit', 'x'], '--limit x: must be'],
  [['show', 'a', '--json=x'], 'does not take an argument'],
  [['usage'], 'not like this'],
])('%j is a usage error', async (argv, message) => {
  const { code, errors, output } = await run(...argv);
  expect(errors).toContain(message);
  expect(code).toBe(2);
  expect(output).toBe('');
});

test('failures have their exit codes, and only faults show a trace', async () => {
  expect(await run('fails')).toMatchObject({ code: 1, errors: 'no; do that\n' });
  expect(await run('plain')).toMatchObject({ code: 1, errors: 'locked; stop the other\n' });
  expect((await run('bug')).errors).toMatch(/TypeError: x is not a function\n\s+at /);
  expect(await run('settings')).toMatchObject({
    code: 2,
    errors: 'a: is missing\n1 problem in the settings.\n',
  });
});

test('an option that was not given reads as nothing', () => {
  const args = new CommandArgs({}, []);
  expect(args.text('x')).toBeUndefined();
  expect(args.texts('x')).toEqual([]);
  expect(args.flag('x')).toBe(false);
});
