import type { EmbeddedStore } from './embedded-store.ts';
import type { StoreCall } from './embedded-worker.ts';
import type { AliasWrite, LandedWrite } from './landing.ts';

/** Where the store runs. */
export interface StoreHost {
  commit(writes: readonly AliasWrite[]): Promise<LandedWrite[]>;
  call<C extends StoreCall>(
    call: C,
    ...args: Parameters<EmbeddedStore[C]>
  ): Promise<ReturnType<EmbeddedStore[C]>>;
  close(): Promise<void>;
}
