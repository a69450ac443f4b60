/** A merged topic and the globs of the remote topics that feed it (`[[flow]]`). */
export interface Flow {
  into: string;
  from: readonly string[];
}

/** Which remote topics feed which merged topics. */
export interface Merge {
  readonly flows: readonly Flow[];
  /** The merged topics that `remoteTopic` feeds, in the order of the settings; empty when none. */
  targets(remoteTopic: string): readonly string[];
  /** The flow whose name takes a name of this alias' remote topics away; undefined when none. */
  flowInTheWayOf(alias: string): Flow | undefined;
}
