import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleProgram } from './bundle.ts';
import { bashCompletion, helpOf, manualPage } from './manual.ts';
import { type Lock, root } from './npm-archive.ts';
import { bill, copyrightOf, genericComponent, sqliteLicence, sqliteVersion } from './provenance.ts';
import { runtimeFolder, runtimeVersion } from './runtime-package.ts';
import { type Control, changelog, Stage } from './stage.ts';
import type { BuildSettings, ProgramName } from './target.ts';
import { targets } from './target.ts';

interface ProgramParts {
  page: { from: string; to: string };
  description: string;
}

const parts: { readonly [program in ProgramName]: ProgramParts } = {
  edge: {
    page: { from: 'edge/status-page', to: 'status-page' },
    description:
      "agent on a site's gateway: buffers its data and carries it to central\n" +
      ' Takes in records over MQTT and HTTP and the vitals of the gateway, makes\n' +
      ' them durable on disk before it acknowledges them, and sends them to\n' +
      ' tributary-central whenever there is a link. Nothing is lost silently and\n' +
      ' nothing arrives twice.',
  },
  central: {
    page: { from: 'central/status/page', to: 'page' },
    description:
      'collector of the records that sites send\n' +
      ' Lands what the tributary-edge of each site sends, exactly once, merges\n' +
      ' the sites into topics for analytics, and knows at every moment how far\n' +
      ' behind each site is.',
  },
};

/**
 * One program: its bundle, unit, user, settings, manual, completion, and where it all comes from.
 */
export function buildProgram(program: ProgramName, lock: Lock, settings: BuildSettings): string {
  const { target, version, epoch, work } = settings;
  const name = `tributary-${program}`;
  const lib = `usr/lib/${name}`;
  const doc = `usr/share/doc/${name}`;
  const bundle = bundleProgram(program, { target, version, lock, work });
  const stage = new Stage(join(work, `${name}-${target.debian}`));
  for (const file of bundle.files) stage.copy(join(bundle.folder, file), `${lib}/${file}`);
  stage.tree(join(root, parts[program].page.from), `${lib}/${parts[program].page.to}`);
  stage.copy(join(root, 'packaging/files/sd-launch'), `${lib}/sd-launch`, 0o755);
  stage.file(`usr/bin/${name}`, filled(`command-${program}`, program), 0o755);
  stage.copy(join(root, `systemd/${name}.service`), `usr/lib/systemd/system/${name}.service`);
  stage.copy(template(`${name}.sysusers`), `usr/lib/sysusers.d/${name}.conf`);
  stage.copy(template(`${program}.toml`), `etc/tributary/${program}.toml`);
  stage.folder(`etc/tributary/${program}.d`);
  addDocuments(stage, program, lock, settings);
  const subject = { name, version, packages: bundle.packages, lock, epoch };
  const sqlite = genericComponent('sqlite', sqliteVersion(), 'Public Domain');
  stage.file(`${doc}/sbom.cdx.json`, bill(subject, [sqlite]));
  stage.file(`${doc}/copyright`, copyrightOf(subject, [sqliteLicence]));
  stage.compressed(`${doc}/changelog`, changelog(name, version, epoch));
  return stage.build(controlOf(program, lock, version), settings);
}

function addDocuments(
  stage: Stage,
  program: ProgramName,
  lock: Lock,
  settings: BuildSettings,
): void {
  const name = `tributary-${program}`;
  const help = programHelp(program, lock, settings);
  const files = [
    [`/etc/tributary/${program}.toml`, `Settings; ${name} check --print-defaults explains all.`],
    [`/etc/tributary/${program}.d/*.toml`, "The site's own settings, read after it, in order."],
    [`/var/lib/${name}`, 'What it keeps.'],
  ] as const;
  const seeAlso = `systemctl(1), journalctl(1), /usr/share/doc/${name}`;
  stage.compressed(
    `usr/share/man/man1/${name}.1`,
    manualPage(help, { files, seeAlso }, settings.epoch),
  );
  stage.file(`usr/share/bash-completion/completions/${name}`, bashCompletion(help));
}

/** The help comes from a bundle that runs here, whatever is built for: it is the same text. */
const helps = new Map<string, ReturnType<typeof helpOf>>();

function programHelp(program: ProgramName, lock: Lock, { version, work }: BuildSettings) {
  const key = `${program} ${version}`;
  const here = Object.values(targets).find(({ node }) => node === process.arch) ?? targets.amd64!;
  const known = helps.get(key);
  if (known !== undefined) return known;
  const folder = join(work, 'help');
  const bundle = bundleProgram(program, { target: here, version, lock, work: folder });
  const help = helpOf(`tributary-${program}`, join(bundle.folder, 'main.mjs'));
  helps.set(key, help);
  return help;
}

function controlOf(program: ProgramName, lock: Lock, version: string): Control {
  const name = `tributary-${program}`;
  const node = runtimeVersion(lock).replace(/\+.*/, '');
  const [major] = node.split('.');
  const runtime = `tributary-runtime (>= ${node}), tributary-runtime (<< ${Number(major) + 1})`;
  const libraries = 'libc6 (>= 2.34), libgcc-s1, libstdc++6 (>= 11)';
  const scripts = ['postinst', 'prerm', 'postrm'].map((script) => [
    script,
    filled(script, program),
  ]);
  return {
    name,
    version,
    fields: {
      Depends: `${runtime}, ${libraries}, systemd (>= 249), init-system-helpers (>= 1.60)`,
      Section: 'net',
      Priority: 'optional',
      Description: parts[program].description,
    },
    scripts: {
      ...Object.fromEntries(scripts),
      triggers: `interest-noawait /${runtimeFolder}\n`,
    },
  };
}

const template = (file: string): string => join(root, 'packaging/files', file);

/** A script for one program; lines that end in `#edge` or `#central` are that one's alone. */
function filled(file: string, program: ProgramName): string {
  const other = program === 'edge' ? 'central' : 'edge';
  const text = readFileSync(template(file), 'utf8');
  const own = text.replaceAll(new RegExp(`^.* #${other}\\n`, 'gm'), '');
  return own
    .replaceAll(` #${program}\n`, '\n')
    .replaceAll('@NAME@', `tributary-${program}`)
    .replaceAll('@PROGRAM@', program);
}
