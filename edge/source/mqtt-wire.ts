import net from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import type { MqttClient } from 'mqtt';
import { streamBuilder as webSocket } from 'mqtt/lib/connect/ws';
import type { TlsFiles } from './mqtt-tls-files.ts';

/** Acknowledgements leave at once, and a dead peer is found without a keep-alive of MQTT too. */
const lively = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 };

/** Begins a connection to the broker; errors come as the stream's own. */
export function openWire(url: URL, client: MqttClient, files: TlsFiles): Duplex {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port);
  switch (url.protocol) {
    case 'mqtts:':
    case 'ssl:': {
      const name = net.isIP(host) ? {} : { servername: host };
      return tls.connect({ host, port: port || 8883, ...lively, ...name, ...files });
    }
    case 'ws:':
    case 'wss:': {
      const protocol = url.protocol === 'ws:' ? 'ws' : 'wss';
      const path = url.pathname + url.search;
      const options = { ...client.options, protocol, hostname: url.hostname, port, path, ...files };
      return webSocket(client, { ...options, protocol } as typeof client.options) as Duplex;
    }
    default:
      return net.connect({ host, port: port || 1883, ...lively });
  }
}
