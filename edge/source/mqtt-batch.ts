import type { WireRecord } from '#shared/wire/record.ts';
import type { Unreleased } from './mqtt-session.ts';

/** An acknowledgement that will leave: PUBACK, PUBREC or PUBCOMP. */
export interface Reply {
  type: number;
  id: number;
  /** MQTT 5 reason code; 0 is success, and all that older peers know. */
  code: number;
  /** Of a QoS 2 message that this reply takes custody of. */
  held?: Unreleased;
}

/** What goes to the buffer as one delivery: records of one topic, or losses to declare there. */
export class Group {
  readonly topic: string;
  readonly records: WireRecord[] = [];
  /** Why the messages cannot be kept; then there are no records, only their number. */
  readonly lost: string | undefined;
  /** One per message; undefined for QoS 0. */
  readonly replies: (Reply | undefined)[] = [];
  /** Those of QoS 2. */
  readonly held: Reply[] = [];

  constructor(topic: string, lost?: string) {
    this.topic = topic;
    this.lost = lost;
  }

  /** The same messages, one by one. */
  split(): Group[] {
    return this.records.map((record, index) => {
      const one = new Group(this.topic);
      one.records.push(record);
      one.#answer(this.replies[index]);
      return one;
    });
  }

  /** The same messages as a loss. */
  asLoss(topic: string, detail: string): Group {
    const loss = new Group(topic, detail);
    for (const reply of this.replies) loss.#answer(reply);
    return loss;
  }

  #answer(reply: Reply | undefined): void {
    this.replies.push(reply);
    if (reply?.held) this.held.push(reply);
  }
}

/** What one read brought. */
export class Batch {
  readonly groups = new Map<string, Group>();
  readonly replies: Reply[] = [];
  /** Position keys of packet ids to forget. */
  readonly released: string[] = [];
  /** Earlier deliveries that a reply of this batch depends on. */
  readonly waits: Promise<void>[] = [];
  bytes = 0;
  messages = 0;
  settled = false;

  get empty(): boolean {
    return this.groups.size === 0 && this.replies.length === 0;
  }

  group(topic: string, lost?: string): Group {
    // One loss per topic and read, with the reason of its first message.
    const key = lost === undefined ? topic : `${topic} lost`;
    let group = this.groups.get(key);
    if (!group) {
      group = new Group(topic, lost);
      this.groups.set(key, group);
    }
    return group;
  }
}
