/**
 * The parts of kafkajs 2.2.4 behind its public face that we use. It ships no types for them; these
 * are read off its sources. kafkajs-connection.ts alone imports them, and checks the version.
 */

declare module 'kafkajs/src/network/connection.js' {
  interface KafkajsLogger {
    namespace(name: string): KafkajsLogger;
    debug(message: string, extra?: object): void;
    info(message: string, extra?: object): void;
    warn(message: string, extra?: object): void;
    error(message: string, extra?: object): void;
  }

  class Connection {
    constructor(options: {
      host: string;
      port: number;
      clientId: string;
      logger: KafkajsLogger;
      /** Called once by each `connect`; `onConnect` when TCP, and TLS where asked for, stand. */
      socketFactory(options: {
        host: string;
        port: number;
        ssl: object | null;
        onConnect: () => void;
      }): import('node:net').Socket;
      ssl: object | null;
      sasl: object | null;
      connectionTimeout: number;
      requestTimeout: number;
      enforceRequestTimeout: boolean;
    });
    requestQueue: {
      push(request: {
        entry: {
          apiKey: number;
          apiName: string;
          apiVersion: number;
          correlationId: number;
          resolve(response: { payload: Buffer }): void;
          reject(error: Error): void;
        };
        expectResponse: boolean;
        requestTimeout: number | null;
        sendRequest(): void;
      }): void;
    };
    connect(): Promise<unknown>;
    /** SASL, where it is due: the first time, and again before the session's lifetime ends. */
    authenticate(): Promise<void>;
    isAuthenticated(): boolean;
    isConnected(): boolean;
    setVersions(versions: { [apiKey: number]: { minVersion: number; maxVersion: number } }): void;
    setSupportAuthenticationProtocol(supported: boolean): void;
    nextCorrelationId(): number;
    /** Of all that is in flight. */
    rejectRequests(error: Error): void;
  }
  export = Connection;
}

declare module 'kafkajs/src/network/requestQueue/index.js' {
  class RequestQueue {
    pending: unknown[];
    scheduleCheckPendingRequests(): void;
  }
  export = RequestQueue;
}

declare module 'kafkajs/package.json' {
  const manifest: { version: string };
  export = manifest;
}
