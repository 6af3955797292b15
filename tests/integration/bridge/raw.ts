/** A client that does what no proper client would: raw bytes over a TCP socket. */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { carriesMark, readProcesses } from '../../../src/adapters/stdio/process-table.ts';
import { guard } from '../../../src/adapters/stdio/guard.ts';
import type { StdioAgent } from '../../../src/adapters/stdio/index.ts';
import type { Bridge } from '../../../src/bridge/index.ts';
import { CONTRACT_AGENTS } from '../../../src/testing/launcher-agent.ts';

const script = fileURLToPath(new URL('../../support/launcher-agent-stdio.ts', import.meta.url));

/** The contract's agents, and `missing`. */
export const AGENTS: Record<string, StdioAgent> = { missing: { command: '/nowhere/missing-agent' } };
for (const name of CONTRACT_AGENTS) AGENTS[name] = { command: process.execPath, args: [script, name] };

export const GRACES = { askMs: 300, termMs: 300 };

/** How many living processes carry this test's mark. */
export async function alive(): Promise<number> {
  return (await readProcesses()).filter((entry) => !entry.zombie && carriesMark(entry.pid, guard.mark)).length;
}

export const name = (): string => randomBytes(16).toString('base64url');

/** The headers of a good upgrade, to be changed; null leaves one out. */
export function upgradeText(bridge: Bridge, set: Readonly<Record<string, string | null>> = {}, target = '/agents/echo', more = ''): string {
  const headers: Record<string, string | null> = {
    Host: new URL(bridge.url).host,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    'Sec-WebSocket-Protocol': `acp.v1, bearer.${bridge.token}`,
    ...set,
  };
  const lines = Object.entries(headers).flatMap(([key, value]) => (value === null ? [] : [`${key}: ${value}\r\n`]));
  return `GET ${target} HTTP/1.1\r\n${lines.join('')}${more}\r\n`;
}

/** One masked frame, as clients send them. `first` holds FIN, RSV and opcode. */
export function frame(
  first: number,
  payload: Buffer | string,
  { masked = true, claim }: { masked?: boolean; claim?: number } = {},
): Buffer {
  const body = Buffer.from(payload as string);
  const length = claim ?? body.length;
  const head = length < 126 ? Buffer.from([first, length]) : length < 65_536 ? Buffer.alloc(4) : Buffer.alloc(10);
  head[0] = first;
  if (length >= 65_536) {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  } else if (length >= 126) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  }
  if (!masked) return Buffer.concat([head, body]);
  head[1]! |= 0x80;
  const key = randomBytes(4);
  return Buffer.concat([head, key, body.map((byte, index) => byte ^ key[index % 4]!)]);
}

export const TEXT = 0x81;

/** A raw connection and everything that came back on it. */
export class Raw {
  readonly socket: Socket;
  received = Buffer.alloc(0);
  readonly closed: Promise<void>;
  #more: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.#more();
    });
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) =>
      socket.once('close', () => {
        resolve();
        this.#more();
      }),
    );
  }

  static open(bridge: Bridge): Promise<Raw> {
    const socket = connect(Number(new URL(bridge.url).port), '127.0.0.1');
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Raw(socket));
      });
    });
  }

  /** Connects and upgrades; the frames that follow are in `frames()`. */
  static async upgraded(bridge: Bridge, target = '/agents/echo', protocols = ''): Promise<Raw> {
    const raw = await Raw.open(bridge);
    raw.socket.write(upgradeText(bridge, { 'Sec-WebSocket-Protocol': `acp.v1, bearer.${bridge.token}${protocols}` }, target));
    const head = await raw.until(() => raw.#headEnd() > 0);
    if (!head.startsWith('HTTP/1.1 101')) throw new Error(`No upgrade: ${head}`);
    return raw;
  }

  #headEnd(): number {
    return this.received.indexOf('\r\n\r\n') + 4 - (this.received.includes('\r\n\r\n') ? 0 : 3);
  }

  async until(done: () => boolean): Promise<string> {
    while (!done() && !this.socket.destroyed) {
      await new Promise<void>((resolve) => {
        this.#more = resolve;
      });
    }
    return this.received.toString('latin1');
  }

  /** Sends and waits for the end of the connection; the status and body of the answer. */
  async answer(
    ...bytes: (string | Buffer)[]
  ): Promise<{ status: number; body: { error?: string } & Record<string, unknown>; text: string }> {
    for (const part of bytes) this.socket.write(part);
    await this.closed;
    const text = this.received.toString('utf8');
    const status = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0);
    const body = /\r\n\r\n([\s\S]*)$/.exec(text)?.[1] ?? '';
    return { status, body: body === '' ? {} : (JSON.parse(body) as { error?: string }), text };
  }

  /** The frames that came after the upgrade. */
  frames(): { opcode: number; payload: Buffer }[] {
    const frames: { opcode: number; payload: Buffer }[] = [];
    for (let at = this.#headEnd(); at + 2 <= this.received.length;) {
      const opcode = this.received[at]! & 0x0f;
      let length = this.received[at + 1]! & 0x7f;
      let start = at + 2;
      if (length === 126) {
        length = this.received.readUInt16BE(start);
        start += 2;
      } else if (length === 127) {
        length = Number(this.received.readBigUInt64BE(start));
        start += 8;
      }
      if (start + length > this.received.length) break;
      frames.push({ opcode, payload: this.received.subarray(start, start + length) });
      at = start + length;
    }
    return frames;
  }

  /** The close frame, once the connection has ended. */
  async close(): Promise<{ code: number; reason: Record<string, unknown> } | null> {
    await this.until(() => this.frames().some(({ opcode }) => opcode === 8));
    const last = this.frames().find(({ opcode }) => opcode === 8);
    if (last === undefined) return null;
    const reason = last.payload.toString('utf8', 2);
    return { code: last.payload.readUInt16BE(0), reason: reason === '' ? {} : (JSON.parse(reason) as Record<string, unknown>) };
  }
}
