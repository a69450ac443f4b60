import { command } from './command.ts';
import type { Machine } from './machine.ts';

let cables = 0;

/**
 * Plugs a cable between two machines, each of which had only loopback: `10.77.N.1` at the first,
 * `10.77.N.2` at the second. Answers both. It is gone with either machine.
 */
export async function plugIn(first: Machine, second: Machine): Promise<[string, string]> {
  cables += 1;
  const ends = [first, second].map(({ leader }, i) => ({
    leader: String(leader),
    name: `tb${process.pid % 100_000}${'ab'[i]}${cables}`,
    address: `10.77.${cables}.${i + 1}`,
  })) as [End, End];
  await command('ip', ['link', 'add', ends[0].name, 'type', 'veth', 'peer', ends[1].name]);
  for (const { leader, name, address } of ends) {
    await command('ip', ['link', 'set', name, 'netns', leader]);
    const inside = (...words: string[]) => command('nsenter', ['-t', leader, '-n', 'ip', ...words]);
    await inside('address', 'add', `${address}/24`, 'dev', name);
    await inside('link', 'set', name, 'up');
  }
  return [ends[0].address, ends[1].address];
}

interface End {
  leader: string;
  name: string;
  address: string;
}

/** Cuts every cable of a machine, or joins it again. */
export async function setCables(machine: Machine, state: 'up' | 'down'): Promise<void> {
  const leader = String(machine.leader);
  const links = await command('nsenter', ['-t', leader, '-n', 'ip', '-o', 'link']);
  for (const [, name] of links.matchAll(/^\d+: (tb\w+)/gm)) {
    await command('nsenter', ['-t', leader, '-n', 'ip', 'link', 'set', name!, state]);
  }
}
