import { MqttClientSource, type MqttDeps } from './mqtt-client.ts';
import { MqttListener } from './mqtt-listener.ts';
import type { MqttSettings } from './mqtt-settings.ts';
import type { Source, SourceContext } from './source.ts';

/** The MQTT source: a subscriber at a broker (`url`) or a server of its own (`listen`). */
export function openMqttSource(
  settings: MqttSettings,
  context: SourceContext,
  deps: MqttDeps,
): Source {
  if ('url' in settings) return new MqttClientSource(settings, context, deps);
  return new MqttListener(settings, context, deps);
}
