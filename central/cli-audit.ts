import type { CommandIo } from '#shared/std/command-io.ts';
import { type Command, type CommandArgs, UsageError } from '#shared/std/command-line.ts';
import { showCount, textTable } from '#shared/std/text-table.ts';
import { aliasProblem } from '#shared/wire/alias.ts';
import { askOptions, clientOf, expectSite, landingKind } from './cli-central.ts';

interface Drift {
  topic: string;
  what: string;
  site: string | null;
  central: string | null;
  severity: 'note' | 'warning' | 'danger';
  meaning: string;
  change: string | null;
}

interface Report {
  topics: number;
  drifts: Drift[];
  troubles: { topic: string; trouble: string }[];
}

/** `audit`: how topics differ from what they should be; changes nothing. */
export const auditCommand: Command = {
  name: 'audit',
  summary:
    "Compare topics with those of the sites' own Kafkas, and with what records need of them.",
  details:
    'Changes nothing. "danger": records are lost or cannot land as things stand. What central changes\n' +
    'by itself is said; all else is for you to decide.\n' +
    'Exit code 1 when something is in danger, 0 otherwise.',
  options: {
    alias: { type: 'string', value: 'ALIAS', doc: 'Topics of this site only.' },
    ...askOptions,
  },
  run: audit,
};

async function audit(args: CommandArgs, io: CommandIo): Promise<number> {
  const alias = args.text('alias');
  const problem = alias === undefined ? undefined : aliasProblem(alias);
  if (problem !== undefined) throw new UsageError(`--alias "${alias}" ${problem}`);
  const client = clientOf(args);
  const kind = await landingKind(client);
  if (kind !== 'kafka') {
    io.err(
      `central has the ${kind} landing, which has no Kafka topics: there are no settings ` +
        'that could differ. With landing.type = "kafka" topics are compared with the sites\'.',
    );
    return 1;
  }
  const query = alias === undefined ? '' : `?${new URLSearchParams({ alias })}`;
  const report = (await client.get(`/api/v1/audit${query}`)) as Report;
  const isEmpty = report.topics + report.drifts.length + report.troubles.length === 0;
  if (isEmpty && alias !== undefined) await expectSite(client, alias);
  io.out(args.flag('json') ? JSON.stringify(report) : reportText(report));
  return report.drifts.some(({ severity }) => severity === 'danger') ? 1 : 0;
}

function reportText({ topics, drifts, troubles }: Report): string {
  const compared = `${showCount(topics)} topic${topics === 1 ? '' : 's'} of sites' own Kafkas compared`;
  if (drifts.length + troubles.length === 0) return `${compared}: nothing differs.`;
  const parts = [`${compared}.`];
  if (drifts.length > 0) parts.push(driftTable(drifts));
  if (troubles.length > 0) parts.push(troubleTable(troubles));
  return parts.join('\n\n');
}

const driftTable = (drifts: readonly Drift[]): string =>
  textTable(
    [
      ...[{ name: 'SEVERITY' }, { name: 'TOPIC' }, { name: 'WHAT' }, { name: 'AT THE SITE' }],
      ...[{ name: 'AT CENTRAL' }, { name: 'WHAT FOLLOWS' }, { name: 'WHAT CENTRAL CHANGES' }],
    ],
    drifts.map(({ severity, topic, what, site, central, meaning, change }) => [
      ...[severity, topic, what, site ?? '-', central ?? '-', meaning, change ?? 'nothing'],
    ]),
  );

const troubleTable = (troubles: Report['troubles']): string =>
  textTable(
    [{ name: 'TOPIC' }, { name: 'DOES NOT FIT' }],
    troubles.map(({ topic, trouble }) => [topic, trouble]),
  );
