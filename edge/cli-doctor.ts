import type { CommandIo } from '#shared/std/command-io.ts';
import type { Command, CommandArgs } from '#shared/std/command-line.ts';
import { SettingsError } from '#shared/std/settings-problem.ts';
import { columns } from '#shared/std/text-table.ts';
import { configOf, settingsOptions } from './cli-edge.ts';
import type { EdgeConfig } from './config.ts';
import { checkClock } from './doctor-clock.ts';
import { checkDisk, checkFsync } from './doctor-disk.ts';
import {
  checkAgent,
  checkBrokers,
  checkCentral,
  checkKafkas,
  checkListeners,
} from './doctor-network.ts';

/** What a check found: `advice` says what to do where it is not ok. */
export interface Finding {
  check: string;
  level: 'ok' | 'warn' | 'fail';
  message: string;
  advice?: string;
}

export const doctorCommand: Command = {
  name: 'doctor',
  summary: 'Check this gateway: settings, disk, clock, central, brokers; say what to do.',
  details: 'Changes nothing. Ends with 1 when something fails, 0 otherwise.',
  options: { json: { type: 'boolean', doc: 'Print JSON.' }, ...settingsOptions },
  run: doctor,
};

async function doctor(args: CommandArgs, io: CommandIo): Promise<number> {
  const findings = await examine(args, io);
  if (args.flag('json')) io.out(JSON.stringify({ findings }));
  else io.out(report(findings));
  return findings.some(({ level }) => level === 'fail') ? 1 : 0;
}

async function examine(args: CommandArgs, io: CommandIo): Promise<Finding[]> {
  const settings = checkSettings(args);
  if (settings.config === undefined) return settings.findings;
  const { config } = settings;
  const agent = await checkAgent(config);
  const rest = await Promise.all([
    checkDisk(config),
    checkFsync(config, io.clock),
    checkClock(io.clock),
    agent.isRunning ? [] : checkListeners(config),
    checkCentral(config, io.clock),
    checkBrokers(config),
    checkKafkas(config),
  ]);
  return [...settings.findings, agent.finding, ...rest.flat()];
}

function checkSettings(args: CommandArgs): { config?: EdgeConfig; findings: Finding[] } {
  try {
    const config = configOf(args);
    const files = config.files.join(', ') || 'defaults only';
    const ok: Finding = { check: 'settings', level: 'ok', message: files };
    const warnings = config.warnings.map(
      (message): Finding => ({ check: 'settings', level: 'warn', message }),
    );
    return { config, findings: [ok, ...warnings] };
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    const advice =
      'correct the settings ("tributary-edge check --explain" lists them all), or name another file with --config';
    return { findings: [{ check: 'settings', level: 'fail', message: error.message, advice }] };
  }
}

function report(findings: readonly Finding[]): string {
  const rows = findings.flatMap(({ check, level, message, advice }) => [
    [level, check, message],
    ...(advice === undefined ? [] : [['', '', `→ ${advice}`]]),
  ]);
  return columns(rows);
}
