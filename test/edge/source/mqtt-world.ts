import { openMqttSource } from '#edge/source/mqtt.ts';
import type { MqttClientSettings, MqttListenSettings, Route } from '#edge/source/mqtt-settings.ts';
import type { Source, SourceContext } from '#edge/source/source.ts';
import { type Clock, systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';

/** Short backoffs, and the same ones each time. */
const deps = { clock: systemClock, log: silentLog, random: () => 0.02 };

/** Time that passes `times` as fast, for keep-alives and delays of seconds. */
export const fastClock = (times: number): Clock => ({
  now: systemClock.now,
  monotonic: () => systemClock.monotonic() * times,
  sleep: (ms, signal) => systemClock.sleep(ms / times, signal),
  every: (ms, tick) => systemClock.every(ms / times, tick),
});

export const allRoutes: Route[] = [{ filter: '#', topic: 'all', qos: 2 }];

export const openClient = (
  context: SourceContext,
  settings: Partial<MqttClientSettings> & { url: string },
  clock: Clock = systemClock,
): Source =>
  openMqttSource(
    {
      type: 'mqtt',
      name: 'mqtt',
      clientId: 'edge',
      protocol: '3.1.1',
      keepaliveSeconds: 60,
      sessionExpirySeconds: 3600,
      subscribe: allRoutes,
      ...settings,
    },
    context,
    { ...deps, clock },
  );

export const openListener = (
  context: SourceContext,
  settings: Partial<MqttListenSettings> = {},
  clock: Clock = systemClock,
): Source =>
  openMqttSource(
    { type: 'mqtt', name: 'mqtt', listen: '127.0.0.1:0', subscribe: allRoutes, ...settings },
    context,
    { ...deps, clock },
  );
