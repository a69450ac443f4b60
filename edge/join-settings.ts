import { readFileSync } from 'node:fs';
import type { Environment } from '#shared/std/settings-overrides.ts';
import { type JoinToken, parseToken } from '#shared/wire/enrol.ts';
import type { EdgeSettings } from './config.ts';
import { type Credential, loadCredential } from './uplink/credential.ts';

/** Joining and the settings: the token of an unattended one, and what joining brought. */

/** What `SetCredential=` of the unit gives where there is no token file. */
const noToken = 'none';

/**
 * The token to join with; null: none, or none any more. One that is damaged is a problem until this
 * gateway has joined, and a warning from then on, and for who only asks the running agent.
 */
export function joinTokenOf(
  settings: EdgeSettings,
  env: Environment,
  onlyAsks = false,
): JoinToken | null {
  const { join_token: written, join_token_file: file, credential } = settings.values.central;
  const complain = (key: string, message: string) => {
    const joined = onlyAsks || quietly(() => loadCredential(credential)) !== undefined;
    if (joined) settings.warning(key, message);
    else settings.problem(key, message);
    return null;
  };
  if (written !== undefined) {
    return parseToken(written) ?? complain('central.join_token', notAToken);
  }
  const directory = env.CREDENTIALS_DIRECTORY;
  const path = file ?? (directory === undefined ? undefined : `${directory}/join-token`);
  if (path === undefined) return null;
  try {
    const text = readFileSync(path, 'utf8').trim();
    if (text === '' || text === noToken) return null;
    return parseToken(text) ?? complain('central.join_token_file', `${path} ${notAToken}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    return complain('central.join_token_file', `cannot be read: ${(error as Error).message}`);
  }
}

const notAToken = 'holds no join token: copy it whole from "tributary-central enrol ALIAS"';

/** What nobody wrote and `join` brought: the name of this site, and where its central is. */
export function supplyIdentity(settings: EdgeSettings, nameMayLack: boolean): void {
  const { central } = settings.values;
  const lacksName = settings.problems.some(({ key, isAbsence }) => key === 'alias' && isAbsence);
  const lacksUrl = (central.url ?? []).length === 0;
  if (!lacksName && !lacksUrl) return;
  let joined: Credential | undefined;
  try {
    joined = loadCredential(central.credential);
  } catch (error) {
    if (lacksName && !nameMayLack) {
      settings.supply('alias', '');
      settings.problem('alias', `is not set, and what "join" brought: ${(error as Error).message}`);
    }
  }
  if (lacksName && joined) settings.supply('alias', joined.alias);
  else if (lacksName && nameMayLack) settings.supply('alias', '');
  if (lacksUrl && joined?.url !== undefined) central.url = [joined.url];
}

function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
