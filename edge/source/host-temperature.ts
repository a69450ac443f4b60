import type { Reading } from './host-reading.ts';
import type { HostTree } from './host-tree.ts';

/**
 * Keys `temperature:<sensor>`, from thermal zones (`x86_pkg_temp`) and hardware monitors
 * (`coretemp Core 0`). Sensors of the same name are told apart by `#2`, `#3`, in the kernel's
 * order.
 */
export async function readTemperatures(tree: HostTree): Promise<Reading[]> {
  const found = [...(await thermalZones(tree)), ...(await hardwareMonitors(tree))];
  const seen = new Map<string, number>();
  return found.map(({ sensor, celsius }) => {
    const count = (seen.get(sensor) ?? 0) + 1;
    seen.set(sensor, count);
    const name = count === 1 ? sensor : `${sensor}#${count}`;
    return {
      key: `temperature:${name}`,
      kind: 'temperature',
      fields: { sensor: name, temperatureCelsius: celsius },
    };
  });
}

interface Temperature {
  sensor: string;
  celsius: number;
}

async function thermalZones(tree: HostTree): Promise<Temperature[]> {
  const zones = numbered(await tree.list('sys/class/thermal'), /^thermal_zone(\d+)$/);
  const found = await Promise.all(
    zones.map(async (zone) => {
      const type = await tree.text(`sys/class/thermal/${zone}/type`);
      return readSensor(tree, `sys/class/thermal/${zone}/temp`, type || zone);
    }),
  );
  return found.flat();
}

async function hardwareMonitors(tree: HostTree): Promise<Temperature[]> {
  const chips = numbered(await tree.list('sys/class/hwmon'), /^hwmon(\d+)$/);
  const found = await Promise.all(chips.map((chip) => readChip(tree, `sys/class/hwmon/${chip}`)));
  return found.flat();
}

async function readChip(tree: HostTree, path: string): Promise<Temperature[]> {
  const [name, files, device] = await Promise.all([
    tree.text(`${path}/name`),
    tree.list(path),
    tree.list(`${path}/device`),
  ]);
  // The kernel shows each thermal zone here a second time.
  if (device.includes('temp') && device.includes('type')) return [];
  const inputs = numbered(files, /^temp(\d+)_input$/);
  const found = await Promise.all(
    inputs.map(async (input) => {
      const label = await tree.text(`${path}/${input.replace('_input', '_label')}`);
      const sensor = [name ?? 'hwmon', label ?? input.replace('_input', '')].join(' ');
      return readSensor(tree, `${path}/${input}`, sensor);
    }),
  );
  return found.flat();
}

/**
 * Thousandths of a degree Celsius. What no sensor measures (a disconnected one says -128 or so)
 * is left out.
 */
async function readSensor(tree: HostTree, path: string, sensor: string): Promise<Temperature[]> {
  const text = await tree.text(path);
  const celsius = Number(text) / 1000;
  if (!text || !Number.isFinite(celsius) || celsius <= -100 || celsius >= 250) return [];
  return [{ sensor, celsius }];
}

/** Names that match, in the order of their number: zone 10 comes after zone 9. */
const numbered = (names: readonly string[], pattern: RegExp): string[] =>
  names
    .filter((name) => pattern.test(name))
    .sort((a, b) => Number(pattern.exec(a)![1]) - Number(pattern.exec(b)![1]));
