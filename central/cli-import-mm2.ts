import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConnectionValues, readConnection } from '#shared/kafka/connection-settings.ts';
import { openKafka } from '#shared/kafka/open-kafka.ts';
import type { CommandIo } from '#shared/std/command-io.ts';
import { type Command, type CommandArgs, CommandError } from '#shared/std/command-line.ts';
import { silentLog } from '#shared/std/log.ts';
import { printable, textTable } from '#shared/std/text-table.ts';
import { connectionOf } from './mirror/import-connection.ts';
import { type Mm2Settings, readMm2Settings } from './mirror/import-flows.ts';
import {
  type StartOffset,
  StoredOffsets,
  startOffsetsFile,
  storedOffsetsTopic,
} from './mirror/import-offsets.ts';
import {
  type ImportedFile,
  type ImportPlan,
  planImport,
  startOffsetsName,
} from './mirror/import-plan.ts';
import { readWhole } from './mirror/read-whole.ts';

/** `import-mm2 FILE`: from MirrorMaker 2's settings and positions to ours. */
export const importMm2Command: Command = {
  name: 'import-mm2',
  summary: 'Take over from MirrorMaker 2: its settings and how far it has come.',
  details:
    'Reads the settings file that MirrorMaker 2 is run with, and from the cluster that becomes\n' +
    "central how far it has come. Writes settings for central and for each site, and each site's\n" +
    'start positions: the first record that lands is the next one that MirrorMaker 2 would have\n' +
    'replicated. Stop MirrorMaker 2 before, so that its positions are final; nothing of it is changed.\n' +
    'With --dry-run it only says what it would write.',
  words: ['FILE'],
  options: {
    out: { type: 'string', value: 'DIR', doc: 'Where the files go; default: the current folder.' },
    target: {
      type: 'string',
      value: 'ALIAS',
      doc: 'The cluster that becomes central; default: the one that all flows go to.',
    },
    'offsets-topic': {
      type: 'string',
      value: 'TOPIC',
      doc: 'Where its positions are; default mm2-offsets.<site>.internal.',
    },
    'without-offsets': {
      type: 'boolean',
      doc: 'Only the settings; topics are then read from their start.',
    },
    'dry-run': { type: 'boolean', doc: 'Write nothing.' },
    force: { type: 'boolean', doc: 'Replace files that are there.' },
    json: { type: 'boolean', doc: 'Print JSON.' },
  },
  async run(args, io) {
    const settings = readMm2Settings(settingsText(args.words[0]!));
    const withOffsets = !args.flag('without-offsets');
    const plan = planImport(settings, { target: args.text('target'), withOffsets });
    const starts = withOffsets
      ? await readStarts(settings, plan, args)
      : new Map<string, StartOffset[]>();
    const files = [...plan.files, ...startFiles(starts)];
    const folder = args.text('out') ?? '.';
    if (!args.flag('dry-run')) write(folder, files, args.flag('force'));
    if (args.flag('json')) io.out(JSON.stringify(jsonOf(plan, starts, files)));
    else show(io, plan, starts, { files, folder, dryRun: args.flag('dry-run') });
    return 0;
  },
};

/** Java reads such files as Latin-1. */
function settingsText(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch (cause) {
    throw new CommandError(`${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

async function readStarts(
  settings: Mm2Settings,
  plan: ImportPlan,
  args: CommandArgs,
): Promise<Map<string, StartOffset[]>> {
  const { brokers, tls, sasl, password } = connectionOf(settings.clusters.get(plan.target)!, '');
  const { password_file: _, ...login } = sasl;
  const values = { brokers, tls, sasl: { ...login, ...(password && { password }) } };
  const connection = await readConnection(values as ConnectionValues);
  const kafka = openKafka(
    { ...connection, clientId: 'tributary-import', requestTimeoutMs: 15_000 },
    { log: silentLog },
  );
  try {
    const starts = new Map<string, StartOffset[]>();
    for (const site of plan.sites) {
      const topic = args.text('offsets-topic') ?? storedOffsetsTopic(site);
      const stored = new StoredOffsets(site);
      await readWhole(kafka, topic, (record) => stored.take(record));
      starts.set(site, stored.starts());
    }
    return starts;
  } catch (cause) {
    throw new CommandError(
      `the positions cannot be read from ${brokers.join(', ')}: ${(cause as Error).message}; run ` +
        'it where the cluster is reached, or take the settings alone with --without-offsets',
      { cause },
    );
  } finally {
    await kafka.close();
  }
}

const startFiles = (starts: ReadonlyMap<string, StartOffset[]>): ImportedFile[] =>
  [...starts].map(([site, offsets]) => ({
    name: startOffsetsName(site),
    text: startOffsetsFile(offsets),
    secret: false,
  }));

function write(folder: string, files: readonly ImportedFile[], force: boolean): void {
  const there = files.filter(({ name }) => existsSync(join(folder, name)));
  if (there.length > 0 && !force) {
    const names = there.map(({ name }) => join(folder, name)).join(', ');
    throw new CommandError(
      `${names} exist already; name another folder with --out, or use --force`,
    );
  }
  mkdirSync(folder, { recursive: true });
  for (const { name, text, secret } of files) {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: secret ? 0o600 : 0o644 });
    if (secret) chmodSync(path, 0o600);
  }
}

const jsonOf = (
  { target, sites, report, remarks }: ImportPlan,
  starts: ReadonlyMap<string, StartOffset[]>,
  files: readonly ImportedFile[],
) => ({
  target,
  sites: sites.map((alias) => ({ alias, startOffsets: starts.get(alias) ?? null })),
  files: files.map(({ name, text, secret }) => ({ name, text: secret ? null : text })),
  report,
  remarks,
});

interface Shown {
  files: readonly ImportedFile[];
  folder: string;
  dryRun: boolean;
}

function show(
  io: CommandIo,
  plan: ImportPlan,
  starts: ReadonlyMap<string, StartOffset[]>,
  { files, folder, dryRun }: Shown,
): void {
  io.out(`"${plan.target}" becomes central, ${plan.sites.join(', ')} its sites.\n`);
  io.out(reportTable(plan));
  for (const [site, offsets] of starts) io.out(`\n${startsText(site, offsets)}`);
  if (plan.remarks.length > 0) {
    io.out(`\nBy hand:\n${plan.remarks.map((remark) => `- ${printable(remark)}`).join('\n')}`);
  }
  const names = files.map(({ name }) => join(folder, name)).join('\n  ');
  io.out(`\n${dryRun ? 'Would write (nothing was written)' : 'Written'}:\n  ${names}`);
}

const words = { taken: 'taken', otherwise: 'done otherwise', none: 'NO COUNTERPART' } as const;

function reportTable({ report }: ImportPlan): string {
  const order = { none: 0, otherwise: 1, taken: 2 };
  const lines = [...report].sort((a, b) => order[a.fate] - order[b.fate]);
  return textTable(
    [{ name: 'SETTING' }, { name: 'VALUE' }, { name: '' }, { name: '' }],
    lines.map(({ key, value, fate, note }) => [
      printable(key),
      printable(value.length > 40 ? `${value.slice(0, 37)}...` : value),
      words[fate],
      note,
    ]),
  );
}

function startsText(site: string, offsets: readonly StartOffset[]): string {
  if (offsets.length === 0) {
    return `${site}: no stored position was found: its topics would be read from their start.`;
  }
  const rows = offsets.map(({ topic, partition, next }) => [
    topic,
    String(partition),
    String(next),
  ]);
  const headings = [
    { name: 'TOPIC' },
    { name: 'PARTITION', right: true },
    { name: 'FIRST RECORD', right: true },
  ];
  return `${site}: goes on behind what MirrorMaker 2 has replicated.\n${textTable(headings, rows)}`;
}
