/** What a proper client gets from a bridge. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createWebSocketStream } from '@agentclientprotocol/sdk/experimental/ws-client';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { listBridgeAgents, websocketLauncher } from '../../../src/adapters/websocket/index.ts';
import { type Bridge, type BridgeEvent, type BridgeOptions, formatBridgeBanner, startBridge } from '../../../src/bridge/index.ts';
import type { AgentProcess } from '../../../src/engine/ports.ts';
import { held, still } from '../../support/still.ts';
import { writtenByAgents } from '../../support/written.ts';
import { AGENTS, alive, GRACES, name, Raw } from './raw.ts';

let bridge: Bridge;
let log: BridgeEvent[];

async function restart(options: Partial<BridgeOptions> = {}): Promise<void> {
  await bridge?.close();
  log = [];
  bridge = await startBridge({
    agents: AGENTS,
    allowMissingOrigin: true,
    processLimits: GRACES,
    log: (event) => log.push(event),
    ...options,
  });
}

beforeEach(() => restart());
afterEach(() => bridge.close());

const sh = (script: string): { command: string; args: string[] } => ({ command: 'sh', args: ['-c', script] });

async function open(agent: string, id?: string): Promise<WebSocket> {
  const socket = new WebSocket(`${bridge.url}/agents/${agent}`, [
    'acp.v1',
    `bearer.${bridge.token}`,
    ...(id === undefined ? [] : [`conn.${id}`]),
  ]);
  await once(socket, 'open');
  return socket;
}

async function closeOf(socket: WebSocket): Promise<{ code: number; reason: Record<string, unknown> }> {
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
  return { code, reason: JSON.parse(String(reason)) as Record<string, unknown> };
}

async function http(method: string, target: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${bridge.url.replace('ws', 'http')}${target}`, {
    method,
    headers: { Authorization: `Bearer ${bridge.token}` },
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const launch = (agent: string): Promise<AgentProcess> =>
  websocketLauncher(bridge).launch({ agent, cwd: '/', sessionId: 's' }, { signal: new AbortController().signal });

describe('any ACP client', () => {
  it('the SDK’s own, and ours, at once', async () => {
    const theirs = createWebSocketStream(`${bridge.url}/agents/echo`, { protocols: ['acp.v1', `bearer.${bridge.token}`] });
    const ours = (await launch('echo')).stream;
    for (const [index, stream] of [theirs, ours, theirs, ours].entries()) {
      const writer = stream.writable.getWriter();
      await writer.write({ jsonrpc: '2.0', id: index, method: 'echo', params: { index } });
      writer.releaseLock();
      const reader = stream.readable.getReader();
      expect((await reader.read()).value).toEqual({ jsonrpc: '2.0', id: index, result: { index } });
      reader.releaseLock();
    }
    await theirs.writable.close();
  });

  it('gets acp.v1 and no compression', async () => {
    const socket = await open('echo');
    expect([socket.protocol, socket.extensions]).toEqual(['acp.v1', '']);
    socket.terminate();
  });

  it('asks which agents there are', async () => {
    expect(await listBridgeAgents(bridge)).toEqual(Object.keys(AGENTS).map((agent) => ({ name: agent, cwd: process.cwd() })));
    await expect(listBridgeAgents({ ...bridge, token: 'wrong' })).rejects.toMatchObject({
      code: 'agent_start_failed',
      data: { status: 401 },
    });
  });
});

describe('I8: the close code says how the agent ended', () => {
  const agents = {
    failed: sh('exit 3'),
    died: sh('kill -SEGV $$'),
    quit: sh('exit 0'),
    last: sh(`printf '{"jsonrpc":"2.0","method":"last"}'; exit 4`),
    missing: { command: '/nowhere' },
  };
  const rows: [string, number, object][] = [
    ['failed', 4001, { code: 3, signal: null }],
    ['died', 4002, { code: null, signal: 'SIGSEGV' }],
    ['quit', 4006, { code: 0, signal: null }],
    ['missing', 4003, { code: null, signal: null }],
  ];
  it.each(rows)('%s: %i', async (agent, code, reason) => {
    await restart({ agents });
    const id = name();
    const socket = new WebSocket(`${bridge.url}/agents/${agent}`, ['acp.v1', `bearer.${bridge.token}`, `conn.${id}`]);
    expect(await closeOf(socket)).toEqual({ code, reason: { ...reason, connection: id } });
  });

  it('behind its last words, newline or not', async () => {
    await restart({ agents });
    const socket = new WebSocket(`${bridge.url}/agents/last`, ['acp.v1', `bearer.${bridge.token}`]);
    const said: string[] = [];
    socket.on('message', (data) => said.push(String(data)));
    expect(await closeOf(socket)).toMatchObject({ code: 4001, reason: { code: 4 } });
    expect(said).toEqual(['{"jsonrpc":"2.0","method":"last"}']);
  });

  it('a byte that is not UTF-8 costs itself, not its message', async () => {
    await restart({
      agents: { latin: sh(`printf '{"jsonrpc":"2.0","id":1,"result":"\\351t\\351"}\\n{"jsonrpc":"2.0","id":2}\\n'; exit 4`) },
    });
    const socket = new WebSocket(`${bridge.url}/agents/latin`, ['acp.v1', `bearer.${bridge.token}`]);
    const said: string[] = [];
    socket.on('message', (data) => said.push(String(data)));
    expect(await closeOf(socket)).toMatchObject({ code: 4001, reason: { code: 4 } });
    expect(said).toEqual(['{"jsonrpc":"2.0","id":1,"result":"\ufffdt\ufffd"}', '{"jsonrpc":"2.0","id":2}']);
  });

  it('1000 for an end that was asked for, 4002 for a kill', async () => {
    // It has the time to go when it is asked.
    await restart({ processLimits: { askMs: 30_000, termMs: 300 } });
    for (const [how, code, kind] of [
      ['ask', 1000, 'ended'],
      ['kill', 4002, 'killed'],
    ] as const) {
      const id = name();
      const socket = await open('echo', id);
      // The end comes when it is up and reading.
      socket.send('{"jsonrpc":"2.0","id":1,"method":"echo"}');
      await once(socket, 'message');
      const closing = closeOf(socket);
      expect((await http('DELETE', `/connections/${id}?how=${how}`)).body).toMatchObject({ kind });
      expect(await alive()).toBe(0);
      expect((await closing).code).toBe(code);
    }
  });

  it('4005 when the bridge shuts down, with every tree gone before it is done', async () => {
    const sockets = await Promise.all([open('echo'), open('stubborn'), open('echo')]);
    const closings = sockets.map(closeOf);
    expect(await alive()).toBe(3);
    await bridge.close();
    expect(await alive()).toBe(0);
    expect((await Promise.all(closings)).map(({ code }) => code)).toEqual([4005, 4005, 4005]);
    await expect(fetch(bridge.url.replace('ws', 'http'))).rejects.toThrow();
  });
});

describe('the connection’s endpoints', () => {
  it('tell how it ended, for a while', async () => {
    const agent = sh('echo not json; echo "out of luck" >&2; exit 7');
    await restart({ agents: { agent } });
    const id = name();
    await closeOf(await open('agent', id));
    const { status, body } = await http('GET', `/connections/${id}/diagnostics`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ connection: id, agent: 'agent', exit: { kind: 'failed', code: 7 } });
    expect(body['stderr']).toContain('out of luck');
    expect(body['stderr']).toContain('not json');
    expect((await http('DELETE', `/connections/${id}?how=kill`)).body).toMatchObject({ kind: 'failed', code: 7 });
    // On one that forgets soon.
    await restart({ agents: { agent }, limits: { rememberMs: 200 } });
    await closeOf(await open('agent', id));
    await expect.poll(async () => (await http('GET', `/connections/${id}/diagnostics`)).status).toBe(404);
  });

  it('tell no token that the agent wrote to stderr', async () => {
    const token = 'ghp_16C7e42F292c6912E7710c838347Ae178B4a';
    await restart({ agents: { agent: sh(`echo "logged in with ${token}" >&2; cat`) } });
    const id = name();
    const socket = await open('agent', id);
    const report = async () => JSON.stringify((await http('GET', `/connections/${id}/diagnostics`)).body);
    await expect.poll(report).toContain('logged in with');
    const ended = JSON.stringify((await http('DELETE', `/connections/${id}?how=kill`)).body);
    for (const told of [await report(), ended]) {
      expect(told).toContain('logged in with');
      expect(told).not.toContain(token);
    }
    socket.terminate();
  });

  it('know a connection that is open, and no other', async () => {
    const id = name();
    const socket = await open('echo', id);
    expect((await http('GET', `/connections/${id}/diagnostics`)).body).toMatchObject({ exit: null });
    expect((await http('GET', `/connections/${name()}/diagnostics`)).status).toBe(404);
    expect((await http('DELETE', `/connections/${name()}?how=kill`)).status).toBe(404);
    socket.terminate();
  });

  it('I8: our launcher is as truthful as over stdio', async () => {
    await restart({ agents: { ...AGENTS, crash: sh('read line; echo "the reason" >&2; exit 9') } });
    const crash = await launch('crash');
    await crash.stream.writable.getWriter().write({ jsonrpc: '2.0', method: 'go' });
    expect(await crash.exited).toEqual({ kind: 'failed', code: 9, signal: null, stderr: 'the reason' });
    const echo = await launch('echo');
    expect(await echo.end('kill')).toMatchObject({ kind: 'killed', signal: 'SIGKILL' });
  });

  it('I7, I8: a socket that drops is disconnected, once the tree is gone', async () => {
    const sockets: WebSocket[] = [];
    const Recorded = function (url: string, protocols: string[]): WebSocket {
      const socket = new WebSocket(url, protocols);
      sockets.push(socket);
      return socket;
    };
    const process = await websocketLauncher({ ...bridge, WebSocket: Recorded as never }).launch(
      { agent: 'stubborn', cwd: '/', sessionId: 's' },
      { signal: new AbortController().signal },
    );
    sockets[0]!.terminate();
    expect(await process.exited).toMatchObject({ kind: 'disconnected' });
    expect(await alive()).toBe(0);
  });
});

describe('backpressure', () => {
  it('I10: a client that stops reading stops the agent, and loses nothing when it reads again', async () => {
    await restart({ limits: { bufferedBytes: 256 * 1024 } });
    const socket = await open('flood');
    let received = 0;
    let last = -1;
    let ordered = true;
    socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as { id?: number; params?: { index: number } };
      if (message.params !== undefined) {
        ordered &&= message.params.index === last + 1;
        last = message.params.index;
      }
      received += 1;
    });
    const before = held().external;
    // The agent runs: from here on what it floods is on its way at once.
    socket.send(JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'flood', params: { count: 0, size: 1 } }));
    await expect.poll(() => received).toBe(1);
    received = 0;
    socket.pause();
    const count = 30_000;
    socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'flood', params: { count, size: 1_000 } }));
    // Thirty megabytes are to come. The agent is stopped in the middle of them: it has begun, and writes no more.
    await expect.poll(writtenByAgents).toBeGreaterThan(500 * 1024);
    expect(await still(writtenByAgents)).toBeLessThan(25 * 1024 * 1024);
    // The bridge, in this very process, has come to hold a fraction of it.
    // The collector sweeps buffers beside the program: what is let go may be counted for a while.
    await expect.poll(() => held().external - before).toBeLessThan(8 * 1024 * 1024);
    socket.resume();
    await expect.poll(() => received).toBe(count + 1);
    expect(ordered).toBe(true);
    socket.terminate();
  });

  it('I10: an agent that does not read holds its client, and gets everything when it does', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'rehydrate-late-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const gate = path.join(directory, 'read');
    const late = {
      command: process.execPath,
      args: [
        '-e',
        `const gate = setInterval(() => { if (!require('node:fs').existsSync(${JSON.stringify(gate)})) return; clearInterval(gate); let n = 0, p = ''; process.stdin.on('data', (d) => { p += d; const l = p.split('\\n'); p = l.pop(); n += l.length; if (n >= 2000) { process.stdout.write(JSON.stringify({ jsonrpc: '2.0', method: 'all', params: { n } }) + '\\n'); } }); }, 20)`,
      ],
    };
    await restart({ agents: { late }, limits: { bufferedBytes: 128 * 1024 } });
    const socket = await open('late');
    const answer = once(socket, 'message');
    const text = JSON.stringify({ jsonrpc: '2.0', method: 'm', params: { text: 'x'.repeat(10_000) } });
    for (let index = 0; index < 2_000; index += 1) socket.send(text);
    // Twenty megabytes were sent; the system's buffers take a few, the rest waits at the client.
    expect(await still(() => socket.bufferedAmount)).toBeGreaterThan(5 * 1024 * 1024);
    writeFileSync(gate, '');
    expect(JSON.parse(String((await answer)[0]))).toMatchObject({ params: { n: 2_000 } });
    socket.terminate();
  });

  it('I7: a client that goes while both directions are stuck leaves nothing', async () => {
    const stuck = {
      command: process.execPath,
      args: [
        '-e',
        `const l = JSON.stringify({ jsonrpc: '2.0', method: 'm', params: 'x'.repeat(1000) }) + '\\n'; const f = () => { while (process.stdout.write(l)); process.stdout.once('drain', f); }; f();`,
      ],
    };
    const warnings: string[] = [];
    const warned = (warning: Error) => void warnings.push(warning.message);
    process.on('warning', warned);
    onTestFinished(() => void process.off('warning', warned));
    await restart({ agents: { stuck }, limits: { bufferedBytes: 64 * 1024, pingMs: 2_000 } });
    const raw = await Raw.upgraded(bridge, '/agents/stuck');
    await raw.until(() => raw.frames().length > 0);
    raw.socket.pause();
    const socket = await open('stuck');
    await once(socket, 'message');
    socket.pause();
    const text = JSON.stringify({ jsonrpc: '2.0', method: 'm', params: 'y'.repeat(10_000) });
    for (let index = 0; index < 500; index += 1) socket.send(text);
    await still(writtenByAgents);
    raw.socket.destroy();
    socket.terminate();
    await expect.poll(alive).toBe(0);
    // However much was read before the pause, the stream is waited for once.
    expect(warnings).toEqual([]);
  });

  it('I8, I10: a client that never reads again is cut off; it cannot be told why, but whoever asks is', async () => {
    await restart({ limits: { stalledMs: 300, bufferedBytes: 64 * 1024 } });
    const id = name();
    const socket = await open('flood', id);
    const closed = once(socket, 'close');
    socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'flood', params: { count: 50_000, size: 1_000 } }));
    await once(socket, 'message');
    socket.pause();
    await expect.poll(alive).toBe(0);
    await expect.poll(() => log.some(({ event }) => event === 'closed')).toBe(true);
    expect((await http('GET', `/connections/${id}/diagnostics`)).body).toMatchObject({ connection: id, limit: 'stalledMs' });
    expect(log.find(({ event }) => event === 'closed')).toMatchObject({ exit: expect.stringContaining('stalledMs') as string });
    socket.resume();
    expect((await closed)[0]).toBe(1006);
  });

  it('I8: our launcher tells the limit that its socket was not told', async () => {
    await restart({ limits: { stalledMs: 300, bufferedBytes: 64 * 1024 } });
    let socket!: WebSocket;
    const Recorded = function (url: string, protocols: string[]): WebSocket {
      socket = new WebSocket(url, protocols);
      return socket;
    };
    const process = await websocketLauncher({ ...bridge, WebSocket: Recorded as never }).launch(
      { agent: 'flood', cwd: '/', sessionId: 's' },
      { signal: new AbortController().signal },
    );
    const writer = process.stream.writable.getWriter();
    await writer.write({ jsonrpc: '2.0', id: 1, method: 'flood', params: { count: 50_000, size: 1_000 } });
    const reader = process.stream.readable.getReader();
    await reader.read();
    socket.pause();
    await expect.poll(alive).toBe(0);
    socket.resume();
    socket.resume = () => undefined;
    const drain = (async () => {
      while (!(await reader.read()).done);
    })();
    expect(await process.exited).toMatchObject({ kind: 'disconnected', message: expect.stringContaining('stalledMs') as string });
    await drain.catch(() => undefined);
  });
});

describe('I7: however the bridge goes, its agents go', () => {
  const host = fileURLToPath(new URL('./kill-host.ts', import.meta.url));
  // A tree that clings: deaf to SIGTERM, a grandchild in a session of its own, and one in the group.
  // They are found by how long they sleep, which nothing else on the machine does.
  const nap = `347.${process.pid}${Math.random().toString().slice(2, 8)}`;
  const clinging = [
    'sh',
    '-c',
    `trap "" TERM HUP INT; (trap "" TERM HUP INT; setsid sleep ${nap}) & (trap "" TERM; sleep ${nap}) & while :; do sleep 0.2; done`,
  ];
  /** How many processes have it in their command line, or only those that sleep that long. */
  const clingers = (which?: 'asleep'): number => {
    let found = 0;
    for (const pid of pids()) {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        found += Number(which === 'asleep' ? line === `sleep\0${nap}\0` : line.includes(nap));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' && (error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
    return found;
  };

  it.skipIf(process.platform !== 'linux').each(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s', async (signal) => {
    const child = spawn(process.execPath, [host, ...clinging], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const { url, token } = JSON.parse(String(line)) as { url: string; token: string };
    const socket = new WebSocket(`${url}/agents/agent`, ['acp.v1', `bearer.${token}`]);
    await once(socket, 'open');
    await expect.poll(() => clingers('asleep')).toBe(2);
    socket.on('error', () => undefined);
    child.kill(signal);
    await once(child, 'exit');
    await expect.poll(() => clingers()).toBe(0);
  });
});

describe('what it says', () => {
  it('on start: what is exposed, to whom, how to stop it', () => {
    const text = formatBridgeBanner(bridge, { agents: AGENTS, origins: ['https://docs.example'] });
    for (const part of [bridge.url, 'echo', 'https://docs.example', 'Ctrl-C', 'rights']) expect(text).toContain(part);
    expect(formatBridgeBanner(bridge, { agents: AGENTS })).toContain('nobody yet');
    expect(formatBridgeBanner(bridge, { agents: AGENTS, host: '0.0.0.0', allowRemote: true })).toContain('WARNING');
    expect(formatBridgeBanner(bridge, { agents: AGENTS, allowMcp: true })).toContain('--allow-mcp');
  });

  it('in its log: no token, no prompt, no environment value', async () => {
    const secret = 'hunter2-in-the-environment';
    await restart({ agents: { echo: { ...AGENTS['echo']!, env: { SECRET: secret } } } });
    const process = await launch('echo');
    const writer = process.stream.writable.getWriter();
    await writer.write({
      jsonrpc: '2.0',
      id: 1,
      method: 'session/prompt',
      params: { prompt: [{ type: 'text', text: 'my private words' }] },
    });
    await process.stream.readable.getReader().read();
    await process.end('ask');
    const text = JSON.stringify(log);
    for (const word of [bridge.token, 'my private words', secret]) expect(text).not.toContain(word);
    expect(text).toContain('opened');
  });
});

function pids(): string[] {
  return readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
}
