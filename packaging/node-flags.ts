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
