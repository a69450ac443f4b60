import type { Database } from 'better-sqlite3';
import { landStreams } from './embedded-land.ts';
import { ledgerStatements, writeLedger } from './embedded-ledger.ts';
import { lostRangeStatements } from './embedded-lost-ranges.ts';
import type { AliasEntry, Unit } from './embedded-unit.ts';
import { assertSession, assertWhole } from './land-order.ts';
import type { AliasWrite, LandedWrite } from './landing.ts';

/** Called between any two steps of a commit, so that a simulation can end it there by throwing. */
export type Step = (step: StepName) => void;
export type StepName =
  | 'begin'
  | 'session'
  | 'segment'
  | 'loss'
  | 'ledger'
  | 'heartbeat'
  | 'save'
  | 'commit'
  | 'committed';

export type ApplyStatements = ReturnType<typeof applyStatements>;

export const applyStatements = (db: Database) => ({
  ledger: ledgerStatements(db),
  lost: lostRangeStatements(db),
  lineage: db.prepare<[number, string]>(
    'INSERT OR REPLACE INTO lineages (alias_id, lineage) VALUES (?, ?)',
  ),
  heartbeat: db.prepare<[number, number, string]>(
    'INSERT OR REPLACE INTO fleet (alias_id, received_at, heartbeat) VALUES (?, ?, ?)',
  ),
  remove: [
    `DELETE FROM merged_offsets WHERE checkpoint_id IN
      (SELECT checkpoint_id FROM checkpoints WHERE alias_id = ?)`,
    `DELETE FROM lost_ranges WHERE checkpoint_id IN
      (SELECT checkpoint_id FROM checkpoints WHERE alias_id = ?)`,
    'DELETE FROM checkpoints WHERE alias_id = ?',
    'DELETE FROM lineages WHERE alias_id = ?',
    'DELETE FROM fleet WHERE alias_id = ?',
    'DELETE FROM aliases WHERE alias_id = ?',
  ].map((sql) => db.prepare<[number]>(sql)),
});

/**
 * Writes what one alias commits, inside the caller's transaction. Throws a LandingError `fenced` or
 * `refused`; the caller rolls back.
 */
export class Apply {
  readonly #sql: ApplyStatements;
  readonly #unit: Unit;
  readonly #step: Step;

  constructor(sql: ApplyStatements, unit: Unit, step: Step) {
    this.#sql = sql;
    this.#unit = unit;
    this.#step = step;
  }

  write(asked: AliasWrite): LandedWrite {
    const write = { ...asked, at: Math.round(asked.at) };
    const known = this.#unit.alias(write.alias);
    assertSession(write, known?.session);
    assertWhole(write, known !== undefined);
    if (write.remove) {
      this.#remove(known);
      return { alias: write.alias, checkpoints: [] };
    }
    const alias = this.#begin(write, known);
    const moved = landStreams(this.#unit, this.#sql.lost, alias, write, this.#step);
    if (write.losses.length > 0) {
      writeLedger(this.#sql.ledger, this.#unit, write);
      this.#step('ledger');
    }
    if (write.heartbeat) {
      const { receivedAt, heartbeat } = write.heartbeat;
      this.#sql.heartbeat.run(alias.id, Math.round(receivedAt), JSON.stringify(heartbeat));
      this.#step('heartbeat');
    }
    return { alias: write.alias, checkpoints: moved.map(({ state }) => ({ ...state })) };
  }

  #remove(alias: AliasEntry | undefined): void {
    if (!alias) return;
    this.#unit.forget(alias);
    for (const statement of this.#sql.remove) statement.run(alias.id);
    this.#step('session');
  }

  /** Session and flags; the alias as it stands after them. */
  #begin(write: AliasWrite, known: AliasEntry | undefined): AliasEntry {
    const alias = known ?? this.#unit.addAlias(write.alias, write.at);
    if (write.session) this.#openSession(alias, write.session);
    const { adoptAllowed, disabled } = write.flags ?? {};
    if (adoptAllowed !== undefined) alias.adoptAllowed = Number(adoptAllowed);
    if (disabled !== undefined) alias.disabled = Number(disabled);
    this.#step('session');
    return alias;
  }

  #openSession(alias: AliasEntry, next: NonNullable<AliasWrite['session']>): void {
    this.#sql.lineage.run(alias.id, next.lineage);
    alias.session = next.session;
    alias.sessionUsed = 0;
    alias.epoch = next.epoch;
    alias.adoptAllowed = 0;
  }
}
