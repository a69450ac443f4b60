/** Telemetry of about `size` bytes; half of a large one is noise that does not compress. */
export function telemetry(size: number, n: number): Buffer {
  const head = `{"sensor":"oven-${n % 50}","n":${n},"celsius":${(20 + (n % 97) / 7).toFixed(3)},"pad":"`;
  const left = Math.max(0, size - head.length - 2);
  let noise = '';
  while (noise.length < left / 2) noise += Math.random().toString(36).slice(2);
  return Buffer.from(`${head}${noise.slice(0, left / 2).padEnd(left, 'x')}"}`);
}
