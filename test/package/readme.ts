import { readFileSync } from 'node:fs';

/** What README.md tells people to type and to write, for a test that does just that. */

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/**
 * All that is not as README.md says, because nobody has these names but the example: what stands
 * there, and what it is here. Everything else is typed word by word.
 */
export const substitutions: readonly [readme: string, here: string][] = [
  // The web server of the example; the same files, from the disk.
  ['https://packages.example.com', 'file:///mnt/repository'],
];

/** Fenced blocks of this language under the heading `### title`, in order. */
export function blocks(title: string, language: string): string[] {
  const [, section] = readme.split(`\n### ${title}\n`);
  if (section === undefined) throw new Error(`README.md has no heading "### ${title}"`);
  const [own] = section.split(/\n##+ /);
  const found = [...own!.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)];
  return found
    .filter(([, kind]) => kind === language)
    .map(([, , text]) =>
      substitutions.reduce((all, [from, to]) => all.replaceAll(from, to), text!),
    );
}

export interface PresetFile {
  path: string;
  mode: string;
  content: string;
}

/** `write_files` of a cloud-config: path, permissions, content as a line or a block. */
export function filesOfCloudConfig(yaml: string): PresetFile[] {
  const [, ...items] = yaml.split(/^ {2}- path: /m);
  return items.map((item) => {
    const [path] = item.split('\n');
    const mode = /^ {4}permissions: ['"]?(\d+)/m.exec(item)?.[1] ?? '0644';
    const block = /^ {4}content: \|\n((?: {6}.*\n|\n)+)/m.exec(item)?.[1];
    const line = /^ {4}content: (?!\|)(.*)$/m.exec(item)?.[1];
    const content = block?.replaceAll(/^ {6}/gm, '') ?? line;
    if (content === undefined) throw new Error(`README.md: ${path} has no content`);
    return { path: path!.trim(), mode, content };
  });
}
