/** The launcher against bridges that nobody would build: it says what happened, and waits for nobody without end. */
import { describe, expect, it } from 'vitest';
import { listBridgeAgents, websocketLauncher, type WebSocketLauncherOptions } from '../../../src/adapters/websocket/index.ts';
import { createHost } from '../../../src/engine/index.ts';
import type { AgentProcess } from '../../../src/engine/ports.ts';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';

const limits = { openMs: 1_000, requestMs: 50, endMs: 50, messageBytes: 1_000 };
const BRIDGE = { url: 'ws://127.0.0.1:4711', token: 'a'.repeat(43) };

/** A socket that opens, and from then on does what the test says. */
class Socket extends EventTarget {
  static last: Socket;
  readyState = 0;
  readonly bufferedAmount = 0;
  constructor() {
    super();
    Socket.last = this;
    queueMicrotask(() => {
      this.readyState = 1;
      this.dispatchEvent(new Event('open'));
    });
  }
  send(): void {}
  /** The network is gone: nobody answers the close frame. */
  close(): void {
    this.readyState = 2;
  }
  say(data: unknown): void {
    this.dispatchEvent(new MessageEvent('message', { data }));
  }
}
const SocketOption = Socket as unknown as NonNullable<WebSocketLauncherOptions['WebSocket']>;

const answering = (body: unknown) => () => Promise.resolve(Response.json(body));
/** Neither answers nor fails, until it is given up. */
const silent: typeof fetch = (_url, init) =>
  new Promise((_resolve, reject) => init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error)));

async function launched(fetches: { fetch: typeof fetch }): Promise<AgentProcess> {
  const launcher = websocketLauncher({ ...BRIDGE, limits, WebSocket: SocketOption, fetch: (...request) => fetches.fetch(...request) });
  return launcher.launch({ agent: 'mine', sessionId: 's' }, { signal: new AbortController().signal });
}

describe('I7, I10: a network that is gone', () => {
  it.each(['ask', 'kill'] as const)('does not keep anybody who ends the agent by %s', async (how) => {
    const way: { fetch: typeof fetch } = { fetch: answering({ exit: null, stderr: '' }) };
    const agent = await launched(way);
    way.fetch = silent;
    const reader = agent.stream.readable.getReader();
    const exit = await agent.end(how);
    expect(exit).toMatchObject({ kind: 'disconnected', message: expect.stringContaining('requestMs') as string });
    expect(await agent.exited).toBe(exit);
    expect(await reader.read(), 'nothing more comes').toMatchObject({ done: true });
  });
});

it('I10: a message over its own limit ends the connection by that name', async () => {
  const agent = await launched({ fetch: answering({ exit: null, stderr: '' }) });
  Socket.last.say(JSON.stringify({ jsonrpc: '2.0', method: 'x', params: 'x'.repeat(limits.messageBytes) }));
  await expect(agent.stream.readable.getReader().read()).rejects.toMatchObject({ code: 'limit_exceeded' });
  Socket.last.dispatchEvent(Object.assign(new Event('close'), { code: 4000, reason: 'client limit' }));
  expect(await agent.exited).toMatchObject({ kind: 'disconnected', message: expect.stringContaining('messageBytes') as string });
});

describe('what is thrown where a connection is made is told as an error of the library', () => {
  it('a page that may not open it', async () => {
    class Throwing {
      constructor() {
        throw new DOMException('not from here', 'SecurityError');
      }
    }
    const agents = websocketLauncher({ ...BRIDGE, WebSocket: Throwing as unknown as typeof SocketOption });
    const host = await createHost({ database: await openNodeSqlite(':memory:'), agents });
    await expect(host.create({ agent: 'mine', cwd: '/' })).rejects.toMatchObject({
      name: 'RehydrateError',
      code: 'agent_start_failed',
      message: expect.stringContaining('SecurityError: not from here') as string,
    });
    await host.sleep();
  });

  it.each(['x y', `${BRIDGE.token}\n`, '', undefined])('a token that is none, without its words: %j', async (token) => {
    const wrong = { ...BRIDGE, token: token as string };
    const error = { code: 'invalid_argument', message: expect.not.stringContaining('x y') as string };
    expect(() => websocketLauncher(wrong)).toThrow(expect.objectContaining(error));
    await expect(listBridgeAgents(wrong)).rejects.toMatchObject(error);
  });
});

it.each([[null], ['x'], [{}], [[{ name: 1, cwd: '/' }]], [[null]]])('what answers with %j is no bridge', async (body) => {
  await expect(listBridgeAgents({ ...BRIDGE, fetch: answering(body) })).rejects.toMatchObject({ code: 'agent_start_failed' });
});
