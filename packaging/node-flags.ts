/**
 * For programs that run from their sources in several threads. Threads that strip types share
 * WebAssembly; its wrappers to JavaScript, made faster in two threads at once, crash V8 now and
 * then (Runtime_TierUpWasmToJSWrapper, Node 24.21). With these they are never made faster.
 */
export const sourceFlags = ['--wasm-wrapper-tiering-budget=1000000000'];

/**
 * As the services have them. What is carried is in buffers outside V8's heap, which a collection
 * gives back: a small young generation is collected often, and a third of the memory does.
 */
export const serviceFlags = ['--max-semi-space-size=2'];

/**
 * As the services have it. Buffers of 64 KiB to 8 MiB come and go in several threads: glibc would
 * keep a heap for each of them, and give little back. With one heap a sixth of the memory less does
 * (bench `mm2`).
 */
export const serviceEnvironment = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_TRIM_THRESHOLD_: '131072',
} as const;
