import { readdirSync, readFileSync } from 'node:fs';
for (const f of readdirSync('/tmp/ksource-bench/prof')) {
  const p = JSON.parse(readFileSync('/tmp/ksource-bench/prof/' + f, 'utf8'));
  const self = new Map<string, number>(); const nodes = new Map(p.nodes.map((n: any) => [n.id, n]));
  let total = 0;
  p.samples.forEach((id: number, i: number) => { const n: any = nodes.get(id); const c = n.callFrame; const k = `${c.functionName || '(anon)'} ${c.url.split('/').slice(-2).join('/')}:${c.lineNumber + 1}`; const dt = p.timeDeltas[i] / 1000; self.set(k, (self.get(k) ?? 0) + dt); if (c.functionName !== '(idle)') total += dt; });
  console.log(f, Math.round(total), 'ms busy');
  for (const [k, v] of [...self].sort((a, b) => b[1] - a[1]).slice(0, 28)) console.log('  ', Math.round(v), k);
}
