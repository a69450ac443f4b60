import { fdatasyncSync, openSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The plainest receiver: takes posts and, given a file, appends them and fdatasyncs each. */
const [path] = process.argv.slice(2);
const fd = path ? openSync(path, 'w') : undefined;

const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    if (fd !== undefined) {
      for (const part of parts) writeSync(fd, part);
      fdatasyncSync(fd);
    }
    response.end('ok');
  });
});
server.listen(0, '127.0.0.1', () => {
  console.log(
    JSON.stringify({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }),
  );
});
