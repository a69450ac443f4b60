import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCentral } from '#central/cli.ts';
import { type Collector, startCollector } from '#central/collector.ts';
import { loadCentralConfig } from '#central/config.ts';
import { type Agent, startAgent } from '#edge/agent.ts';
import { runEdge } from '#edge/cli.ts';
import { loadEdgeConfig } from '#edge/config.ts';
import { type Clock, systemClock } from '#shared/std/clock.ts';
import { type Logger, silentLog } from '#shared/std/log.ts';
import { capturedIo } from '../shared/std/captured-io.ts';

/** A central with TLS and gateways that join it, all in this process, in a folder of their own. */
export class EnrolledWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'enrolled-'));
  readonly lines: string[] = [];
  collector!: Collector;
  /** Where central listens; a test that stops it may want the same again. */
  listen = '127.0.0.1:0';
  readonly #agents: Agent[] = [];

  readonly log: Logger = {
    ...silentLog,
    info: (fields: object) => void this.lines.push(JSON.stringify(fields)),
    warn: (fields: object) => void this.lines.push(JSON.stringify(fields)),
    error: (fields: object) => void this.lines.push(JSON.stringify(fields)),
  } as Logger;

  async openCentral(more = '', clock: Clock = systemClock, mode = 'own'): Promise<void> {
    const file = this.file(
      'central.toml',
      `link.listen = "${this.listen}"
       link.tls = "${mode}"
       link.heartbeat_interval = "100ms"
       status.listen = "127.0.0.1:0"
       landing.path = "${this.folder}/central.db"
       enrol.authority = "${this.folder}/authority.pem"
       ${more}`,
    );
    const config = loadCentralConfig({ file, env: {} });
    this.collector = await startCollector(config, { clock, log: this.log, version: 'test' });
  }

  file(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  async enrol(alias: string): Promise<string> {
    const io = capturedIo();
    const code = await runCentral(
      ['enrol', alias, '--json', '--url', this.collector.statusUrl],
      io,
    );
    if (code !== 0) throw new Error(io.errors());
    return (JSON.parse(io.output()) as { token: string }).token;
  }

  edgeSettings(name: string, more = ''): string {
    return this.file(
      `${name}.toml`,
      `buffer.path = "${this.folder}/${name}.db"
       central.credential = "${this.credentialPath(name)}"
       status.listen = "127.0.0.1:0"
       ${more}
       [[source]]
       type = "http"
       listen = "127.0.0.1:0"`,
    );
  }

  credentialPath(name: string): string {
    return join(this.folder, `${name}.credential`);
  }

  async join(name: string, token: string, url = this.collector.linkUrl) {
    const io = capturedIo();
    const config = this.edgeSettings(name);
    const code = await runEdge(['join', token, '--url', url, '--config', config], io);
    return { code, output: io.output(), errors: io.errors() };
  }

  async startAgent(name: string, random = Math.random): Promise<Agent> {
    const config = loadEdgeConfig({ file: join(this.folder, `${name}.toml`), env: {} });
    const deps = { clock: systemClock, log: this.log, random, version: 'test' };
    const agent = await startAgent(config, deps);
    this.#agents.push(agent);
    return agent;
  }

  async post(agent: Agent, topic: string, body: string): Promise<void> {
    const { address } = agent.sourceAddresses[0]!;
    const response = await fetch(`${address}/v1/records/${topic}`, { method: 'POST', body });
    if (response.status !== 200) throw new Error(await response.text());
  }

  async get<T>(path: string): Promise<T> {
    const response = await fetch(`${this.collector.statusUrl}${path}`);
    return (await response.json()) as T;
  }

  /** What a hostile or an outdated client would do; resolves with the answer, rejects without one. */
  request(
    path: string,
    options: https.RequestOptions & { body?: string | Buffer; base?: string } = {},
  ): Promise<{ status: number; text: string }> {
    const { body = '{}', headers = {}, base = this.collector.linkUrl, ...tls } = options;
    return new Promise((resolve, reject) => {
      const outgoing = https.request(
        `${base}${path}`,
        {
          ...{ method: 'POST', agent: false, rejectUnauthorized: false },
          ...tls,
          headers: { 'content-type': 'application/json', ...headers },
        },
        (incoming) => {
          let text = '';
          incoming.on('data', (part) => {
            text += part;
          });
          incoming.on('end', () => resolve({ status: incoming.statusCode!, text }));
          incoming.on('error', reject);
        },
      );
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }

  async close(): Promise<void> {
    for (const agent of this.#agents.splice(0)) await agent.stop(500);
    await this.collector?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
