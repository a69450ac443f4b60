import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Writes a recorded tree of kernel files below a new folder, and gives the folder. */
export function writeTree(files: { readonly [path: string]: string }): string {
  const root = mkdtempSync(join(tmpdir(), 'tributary-host-'));
  changeTree(root, files);
  return root;
}

export function changeTree(root: string, files: { readonly [path: string]: string }): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

/** A Raspberry Pi 4 with one SD card, a USB stick, and a PC's coretemp chip for good measure. */
export const gateway: { readonly [path: string]: string } = {
  'proc/stat': `cpu  10000 100 2000 80000 500 10 90 0 0 0
cpu0 5000 50 1000 40000 250 5 45 0 0 0
cpu1 5000 50 1000 40000 250 5 45 0 0 0
intr 12345 0 0
ctxt 6789
`,
  'proc/loadavg': '0.52 0.58 0.59 1/467 12345\n',
  'proc/uptime': '350735.47 234388.90\n',
  'proc/meminfo': `MemTotal:        3884380 kB
MemFree:          512000 kB
MemAvailable:    2884380 kB
Buffers:          100000 kB
Cached:          1800000 kB
SwapTotal:        102396 kB
SwapFree:         100000 kB
HugePages_Total:       0
`,
  'proc/self/mounts': `/dev/root / ext4 rw,noatime 0 0
devtmpfs /dev devtmpfs rw,relatime 0 0
/dev/mmcblk0p1 /boot/firmware vfat rw 0 0
/dev/sda1 /media/usb\\040stick ext4 rw 0 0
/dev/root /var/lib/tributary-edge ext4 rw 0 0
server:/export /mnt/nfs nfs4 rw 0 0
tmpfs /run tmpfs rw 0 0
`,
  'media/usb stick/here': '',
  'boot/firmware/here': '',
  'proc/diskstats': ` 179       0 mmcblk0 1000 10 20000 500 2000 20 40000 900 0 1400 1400
 179       1 mmcblk0p1 10 0 200 5 0 0 0 0 0 5 5
   8       0 sda 5 0 40 5 0 0 0 0 0 5 5
   7       0 loop0 5 0 40 5 0 0 0 0 0 5 5
   8      16 sdb 0 0 0 0 0 0 0 0 0 0 0
`,
  'sys/block/mmcblk0/stat': '',
  'sys/block/sda/stat': '',
  'sys/block/sdb/stat': '',
  'sys/block/loop0/stat': '',
  'proc/self/net/dev': `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    6792      79    0    0    0     0          0         0     6792      79    0    0    0     0       0          0
  eth0: 1000000    1000    1    2    0     0          0         0   500000    800    3    4    0     0       0          0
 wlan0:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
vetha1:   10000      10    0    0    0     0          0         0     5000      8    0    0    0     0       0          0
`,
  'sys/class/net/eth0/operstate': 'up\n',
  'sys/class/thermal/thermal_zone0/type': 'cpu-thermal\n',
  'sys/class/thermal/thermal_zone0/temp': '48312\n',
  'sys/class/thermal/cooling_device0/type': 'fan\n',
  'sys/class/hwmon/hwmon0/name': 'cpu_thermal\n',
  'sys/class/hwmon/hwmon0/temp1_input': '48312\n',
  'sys/class/hwmon/hwmon0/device/type': 'cpu-thermal\n',
  'sys/class/hwmon/hwmon0/device/temp': '48312\n',
  'sys/class/hwmon/hwmon1/name': 'coretemp\n',
  'sys/class/hwmon/hwmon1/temp10_input': '51000\n',
  'sys/class/hwmon/hwmon1/temp10_label': 'Core 8\n',
  'sys/class/hwmon/hwmon1/temp2_input': '-5500\n',
  'sys/class/hwmon/hwmon1/temp2_label': 'Core 0\n',
  'sys/class/hwmon/hwmon1/temp3_input': '-128000\n',
  'sys/class/hwmon/hwmon1/temp4_input': '\n',
  'sys/class/hwmon/hwmon2/name': 'nvme\n',
  'sys/class/hwmon/hwmon2/temp1_input': '38850\n',
  'sys/class/hwmon/hwmon3/name': 'nvme\n',
  'sys/class/hwmon/hwmon3/temp1_input': '39850\n',
  'proc/pressure/cpu': `some avg10=1.23 avg60=0.50 avg300=12.50 total=79424123
full avg10=0.00 avg60=0.00 avg300=0.00 total=0
`,
  'proc/pressure/io': 'some avg10=0.00 avg60=0.00 avg300=0.00 total=18860\n',
};
