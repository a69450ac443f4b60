import type { Mirror, MirrorOptions } from './mirror.ts';
import { SiteMirror } from './site-mirror.ts';

export function openMirror(options: MirrorOptions): Mirror {
  const sites = new Map<string, SiteMirror>();
  const site = (alias: string): SiteMirror => {
    let found = sites.get(alias);
    if (!found) {
      found = new SiteMirror(alias, options);
      sites.set(alias, found);
    }
    return found;
  };
  return {
    report: (alias, report) => site(alias).report(report),
    landed: (alias, stream, segment) => {
      // A source without positions has no groups to translate for.
      if (segment.runs.length > 0) site(alias).landed(stream, segment);
    },
    due: (alias) => sites.get(alias)?.due(),
    groups: (alias) =>
      [...(alias === undefined ? sites.values() : [sites.get(alias)])].flatMap((one) => [
        ...(one?.views() ?? []),
      ]),
    forget: (alias) => {
      sites.delete(alias);
    },
    idle: async () => {
      await Promise.all([...sites.values()].map((one) => one.idle()));
    },
  };
}
