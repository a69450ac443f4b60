/** How many seeds a run takes: fewer where everything is to be over soon. `TRIBUTARY_SEEDS` says. */
export const seedCount = (fast: number, whole: number): number =>
  Number(process.env.TRIBUTARY_SEEDS ?? (process.env.TRIBUTARY_TESTS === 'fast' ? fast : whole));
