import { createServer } from 'node:net';

/**
 * Ports below the range from which the system takes those of outgoing connections (32768 up): else
 * a client that calls a killed broker now and then is answered by itself, or takes its port. Each
 * process walks a range of its own, since a broker that is down holds its port by this alone.
 */
const first = 20_000;
const each = 16;
const ranges = 780;

let next = (process.pid % ranges) * each;

export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = first + (next++ % (each * ranges));
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
