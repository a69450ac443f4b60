import type Connection from 'kafkajs/src/network/connection.js';
import type Queue from 'kafkajs/src/network/requestQueue/index.js';

/** What the deep imports were read off; another version may have moved any of it. */
const versionKnown = '2.2.4';

let loading: Promise<typeof Connection> | undefined;

/**
 * kafkajs' connection: socket, framing, correlation, SASL. Loaded at first use, so that programs
 * without Kafka do not pay for it.
 */
export function loadConnection(): Promise<typeof Connection> {
  loading ??= load();
  return loading;
}

async function load(): Promise<typeof Connection> {
  const { default: manifest } = await import('kafkajs/package.json', { with: { type: 'json' } });
  if (manifest.version !== versionKnown) {
    throw new Error(`kafkajs is ${manifest.version}; this code knows ${versionKnown} inside`);
  }
  const { default: RequestQueue } = await import('kafkajs/src/network/requestQueue/index.js');
  const schedule = RequestQueue.prototype.scheduleCheckPendingRequests;
  // As it stands, each connection wakes every millisecond for ever (tulios/kafkajs #1751).
  RequestQueue.prototype.scheduleCheckPendingRequests = function (this: Queue) {
    if (this.pending.length > 0) schedule.call(this);
  };
  return (await import('kafkajs/src/network/connection.js')).default;
}
