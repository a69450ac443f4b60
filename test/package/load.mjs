// Runs inside the machine: posts numbered records, one after the other, again until each is accepted,
// and says at the end how many were and the longest time without an acceptance.
import { writeFileSync } from 'node:fs';

const [url, result] = process.argv.slice(2);
let accepted = 0;
let gapMs = 0;
let last = performance.now();
let running = true;
process.on('SIGTERM', () => {
  running = false;
});

async function post(number) {
  try {
    const headers = { 'content-type': 'text/plain', 'idempotency-key': `load-${number}` };
    const answer = await fetch(url, { method: 'POST', headers, body: String(number) });
    await answer.arrayBuffer();
    return answer.status === 200;
  } catch {
    return false;
  }
}

while (running) {
  if (await post(accepted)) {
    accepted += 1;
    const now = performance.now();
    gapMs = Math.max(gapMs, now - last);
    last = now;
  }
  await new Promise((resolve) => setTimeout(resolve, 5));
}
writeFileSync(result, JSON.stringify({ accepted, gapMs }));
