import { createServer, type Socket } from 'node:net';
import { ProtocolReader } from '#shared/kafka/protocol-reader.ts';
import { ProtocolWriter } from '#shared/kafka/protocol-writer.ts';

/** A request as it came: the body behind header and tags. */
export interface FakeRequest {
  key: number;
  version: number;
  body: ProtocolReader;
  /** Of the connection, counted from 0. */
  connection: number;
}

/** Writes the answer's body; `false`: gives none; an Error: closes the connection. */
export type FakeAnswer = (
  request: FakeRequest,
  writer: ProtocolWriter,
) => undefined | false | Error;

export interface FakeApi {
  min: number;
  max: number;
  flexibleFrom: number;
  answer: FakeAnswer;
}

export interface FakeBroker {
  port: number;
  address: string;
  connections: number;
  /** Changed at will: what each API key answers. */
  apis: Map<number, FakeApi>;
  /** Of all requests, in the order they came. */
  seen: FakeRequest[];
  dropConnections(): void;
  close(): Promise<void>;
}

/** Speaks Kafka's framing on a loopback socket and says what a test wants it to say. */
export async function startFakeBroker(port = 0): Promise<FakeBroker> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const connection = broker.connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
        const size = rest.readInt32BE(0);
        answerOne(broker, socket, rest.subarray(4, 4 + size), connection);
        rest = rest.subarray(4 + size);
      }
    });
  });
  const broker: FakeBroker = {
    port: 0,
    address: '',
    connections: 0,
    apis: new Map(),
    seen: [],
    dropConnections: () => {
      for (const socket of sockets) socket.destroy();
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
  broker.apis.set(18, { min: 0, max: 0, flexibleFrom: 3, answer: answerVersions(broker) });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  broker.port = (server.address() as { port: number }).port;
  broker.address = `127.0.0.1:${broker.port}`;
  return broker;
}

function answerOne(broker: FakeBroker, socket: Socket, frame: Buffer, connection: number): void {
  const key = frame.readInt16BE(0);
  const version = frame.readInt16BE(2);
  const api = broker.apis.get(key);
  if (!api) {
    socket.destroy();
    return;
  }
  const flexible = version >= api.flexibleFrom;
  const bodyAt = 10 + frame.readInt16BE(8);
  const body = new ProtocolReader(Buffer.from(frame.subarray(bodyAt)), flexible);
  body.tags();
  const request = { key, version, body, connection };
  broker.seen.push(request);
  const writer = new ProtocolWriter(flexible);
  writer.int32(0);
  writer.int32(frame.readInt32BE(4));
  if (key !== 18) writer.tags();
  const outcome = api.answer(request, writer);
  if (outcome instanceof Error) socket.destroy();
  if (outcome !== undefined) return;
  const answer = Buffer.concat(writer.finish());
  answer.writeInt32BE(answer.length - 4, 0);
  socket.write(answer);
}

const answerVersions =
  (broker: FakeBroker): FakeAnswer =>
  (_, writer) => {
    writer.int16(0);
    writer.array([...broker.apis], ([key, { min, max }]) => {
      writer.int16(key);
      writer.int16(min);
      writer.int16(max);
    });
    return undefined;
  };

export interface FakeTopic {
  topic: string;
  /** Leader of each partition. */
  leaders: number[];
  error?: number;
}

/** Metadata v4 to v9 about a cluster of fakes; brokers by id. */
export const answerMetadata =
  (cluster: () => { brokers: Map<number, FakeBroker>; topics: FakeTopic[] }): FakeAnswer =>
  (request, writer) => {
    const asked = request.body.array(() => {
      const name = request.body.string();
      request.body.tags();
      return name;
    });
    const { brokers, topics } = cluster();
    writer.int32(0);
    writer.array([...brokers], ([id, { port }]) => {
      writer.int32(id);
      writer.string('127.0.0.1');
      writer.int32(port);
      writer.nullableString(null);
      writer.tags();
    });
    writer.nullableString('fake-cluster');
    writer.int32([...brokers.keys()][0] ?? -1);
    const found = asked.map((name) => topics.find(({ topic }) => topic === name) ?? missing(name));
    writer.array(found, ({ topic, leaders, error = 0 }) => {
      writer.int16(error);
      writer.string(topic);
      writer.boolean(false);
      writer.array([...leaders.entries()], ([partition, leader]) => {
        writer.int16(leader < 0 ? 5 : 0);
        writer.int32(partition);
        writer.int32(leader);
        if (request.version >= 7) writer.int32(0);
        writer.array([leader], (node) => writer.int32(node));
        writer.array([leader], (node) => writer.int32(node));
        if (request.version >= 5) writer.array([], () => {});
        writer.tags();
      });
      if (request.version >= 8) writer.int32(0);
      writer.tags();
    });
    if (request.version >= 8 && request.version <= 10) writer.int32(0);
    writer.tags();
    return undefined;
  };

const missing = (topic: string): FakeTopic => ({ topic, leaders: [], error: 3 });
