import type { Clock } from '#shared/std/clock.ts';
import type { RecordHeader } from '#shared/wire/record.ts';
import type { DeliverError } from '../deliver-error.ts';
import { Batch, type Group, type Reply } from './mqtt-batch.ts';
import type { Budget } from './mqtt-budget.ts';
import { encodeAcks, type MqttFrame, MqttProtocolError, packetType, reason } from './mqtt-frame.ts';
import { type Handover, unroutedTopic } from './mqtt-handover.ts';
import { mqttLimits } from './mqtt-limits.ts';
import { decodePublish, type MqttVersion, type Publish } from './mqtt-publish.ts';
import { recordOf } from './mqtt-record.ts';
import type { Routes } from './mqtt-route.ts';
import type { Session } from './mqtt-session.ts';
import type { Delivery } from './source.ts';

/**
 * The receiving half of MQTT on one connection, the same for client and listener. PUBACK (QoS 1)
 * and PUBREC (QoS 2) leave when the record is durable, PUBCOMP when the release of its packet id
 * is; all in the order in which they were asked for (MQTT 5, 4.6). What one read brought goes to
 * the buffer as one delivery per topic, and any number of reads may be under way.
 */
export class Receiver {
  readonly #o: ReceiverOptions;
  #open = new Batch();
  /** Batches under way, oldest first. */
  #batches: Batch[] = [];
  #idle: (() => void)[] = [];
  /** Nothing may be acknowledged any more. */
  #mute = false;

  constructor(options: ReceiverOptions) {
    this.#o = options;
  }

  /** A PUBLISH or PUBREL. Throws a MqttProtocolError. Nothing leaves before `flush`. */
  take(frame: MqttFrame): void {
    this.#open.bytes += frame.bytes.length;
    this.#open.messages += 1;
    if (frame.type === packetType.pubrel) this.#release(frame);
    else this.#publish(frame);
  }

  #publish(frame: MqttFrame): void {
    const publish = decodePublish(frame, this.#o.version);
    const reply = publish.qos === 0 ? undefined : this.#reply(publish);
    const known = publish.qos === 2 ? this.#o.session.repeated(publish) : undefined;
    if (known) {
      // Ours already: answered again, when durable, and not appended again.
      if (known.storing) this.#open.waits.push(known.storing);
      return;
    }
    this.#sort(publish, reply, frame.skippedBytes);
  }

  /** A message that arrives without a packet: a will. */
  takeWill(publish: Publish, header: RecordHeader): void {
    this.#sort(publish, undefined, undefined, header);
  }

  /** Hands over what was taken since the last call. */
  flush(): void {
    const batch = this.#open;
    if (batch.empty) return;
    this.#open = new Batch();
    this.#batches.push(batch);
    this.#o.budget.take(batch.bytes, batch.messages);
    // Releases first: an id that is released and used again in one read ends as used.
    const { released } = batch;
    const work = released.length > 0 ? [this.#o.handover.move({ delete: released })] : [];
    for (const group of batch.groups.values()) work.push(this.#store(group));
    Promise.all([...work, ...batch.waits]).then(
      () => this.#done(batch, true),
      () => this.#done(batch, false),
    );
  }

  /** Resolves when nothing is outstanding and every acknowledgement was written. */
  idle(): Promise<void> {
    if (this.#batches.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #reply(publish: Publish): Reply {
    const type = publish.qos === 1 ? packetType.puback : packetType.pubrec;
    const reply: Reply = { type, id: publish.id, code: 0 };
    this.#open.replies.push(reply);
    return reply;
  }

  #sort(publish: Publish, reply?: Reply, skipped?: number, extra?: RecordHeader): void {
    const target = this.#o.routes.find(publish.topic);
    if ('refused' in target) this.#refuse(target.refused, publish, reply);
    else if (skipped !== undefined) {
      const detail = `skipped, ${skipped} bytes; the limit is ${mqttLimits.packetBytes}`;
      this.#join(this.#open.group(target.topic, detail), publish, reply);
    } else {
      const record = recordOf(publish, target, this.#o.clock.now());
      if (extra) record.headers = [...record.headers, extra];
      const group = this.#open.group(target.topic);
      group.records.push(record);
      this.#join(group, publish, reply);
    }
  }

  /** Told to the publisher where it can be told; else declared lost, and acknowledged then. */
  #refuse(why: string, publish: Publish, reply?: Reply): void {
    if (this.#o.refuses && reply) reply.code = reason.topicInvalid;
    else this.#join(this.#open.group(unroutedTopic, why), publish, reply);
  }

  #join(group: Group, publish: Publish, reply: Reply | undefined): void {
    group.replies.push(reply);
    if (reply?.type !== packetType.pubrec) return;
    reply.held = this.#o.session.hold(publish);
    group.held.push(reply);
  }

  #release(frame: MqttFrame): void {
    const { session, version } = this.#o;
    if (frame.flags !== 2 || frame.bytes.length < frame.body + 2) {
      throw new MqttProtocolError(reason.malformed, 'a malformed PUBREL');
    }
    const id = frame.bytes.readUInt16BE(frame.body);
    const held = session.unreleased.get(id);
    const code = held || version < 5 ? 0 : reason.packetIdNotFound;
    this.#open.replies.push({ type: packetType.pubcomp, id, code });
    if (!held) return;
    session.unreleased.delete(id);
    if (held.storing) this.#open.waits.push(held.storing);
    if (session.stored) this.#open.released.push(session.key(id));
  }

  #store(group: Group): Promise<void> {
    const storing = this.#settle(group).then(() => {
      for (const { held } of group.held) if (held) held.storing = undefined;
    });
    for (const { held } of group.held) if (held) held.storing = storing;
    return storing;
  }

  async #settle(group: Group): Promise<void> {
    const rejection = await this.#o.handover.submit(() => this.#delivery(group));
    if (!rejection) return;
    // One record may be at fault, or one of the partitions: each for itself then.
    if (group.records.length > 1) await Promise.all(group.split().map((one) => this.#settle(one)));
    else await this.#giveUp(group, rejection);
  }

  async #giveUp(group: Group, rejection: DeliverError): Promise<void> {
    const [reply] = group.replies;
    if (this.#o.refuses && reply && group.lost === undefined) {
      reply.code =
        rejection.code === 'too-many-streams' ? reason.quotaExceeded : reason.topicInvalid;
      this.#o.session.unreleased.delete(reply.id);
      return;
    }
    // Where even our own topic for losses is refused, one that exists takes them, however long
    // that lasts: nothing is left that could be done instead.
    const last = group.topic === unroutedTopic;
    const topic = last ? (this.#o.handover.lastTopic ?? unroutedTopic) : unroutedTopic;
    const detail = group.lost ?? `for topic "${group.topic}": ${rejection.message}`;
    const loss = group.asLoss(topic, detail);
    const again = await this.#o.handover.submit(() => this.#delivery(loss), last);
    if (again) await this.#giveUp(loss, again);
  }

  #delivery(group: Group): Delivery {
    const { session } = this.#o;
    const delivery: Delivery = { topic: group.topic, records: group.records };
    if (group.lost !== undefined) {
      const records = group.replies.length;
      const more = records > 1 ? ` (the first of ${records})` : '';
      delivery.sourceLoss = { records, detail: group.lost + more };
    }
    if (group.held.length > 0 && session.stored) {
      const set = new Map<string, Buffer>();
      for (const { id, held } of group.held) {
        // Released or forgotten meanwhile (the delivery is being repeated): no id to keep.
        if (held && session.unreleased.get(id) === held)
          set.set(session.key(id), session.value(held));
      }
      delivery.positions = { set };
    }
    return delivery;
  }

  /** Acknowledges from the oldest batch on as far as all is settled. */
  #done(batch: Batch, kept: boolean): void {
    batch.settled = true;
    // Not kept: neither this nor anything after it may be acknowledged on this connection.
    if (!kept) this.#mute = true;
    const replies: Reply[] = [];
    while (this.#batches[0]?.settled) {
      const head = this.#batches.shift()!;
      replies.push(...head.replies);
      this.#o.budget.give(head.bytes, head.messages);
    }
    if (replies.length > 0 && !this.#mute) this.#o.send(encodeAcks(replies));
    if (this.#batches.length === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }
}

export interface ReceiverOptions {
  session: Session;
  routes: Routes;
  handover: Handover;
  budget: Budget;
  clock: Clock;
  version: MqttVersion;
  /** The peer is the publisher and understands reason codes: it is told what is not taken. */
  refuses: boolean;
  send(bytes: Buffer): void;
}
