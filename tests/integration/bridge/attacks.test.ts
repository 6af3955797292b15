/** What nobody should get away with, over real sockets. Afterwards no process runs and nothing is kept. */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type Bridge, type BridgeEvent, type BridgeOptions, type ConnectionDiagnostics, startBridge } from '../../../src/bridge/index.ts';
import { record } from '../../support/record.ts';
import { held, still } from '../../support/still.ts';
import { AGENTS, alive, frame, GRACES, name, Raw, TEXT, upgradeText } from './raw.ts';

const ORIGIN = 'https://docs.example';
let bridge: Bridge;
let log: BridgeEvent[];

async function restart(options: Partial<BridgeOptions> = {}): Promise<void> {
  await bridge?.close();
  log = [];
  bridge = await startBridge({
    agents: AGENTS,
    origins: [ORIGIN],
    allowMissingOrigin: true,
    processLimits: GRACES,
    log: (event) => log.push(event),
    ...options,
  });
}

let [tried, withstood] = [0, 0];
beforeEach(() => restart());
afterEach(async ({ task }) => {
  await bridge.close();
  tried += 1;
  if (task.result?.state === 'pass') withstood += 1;
});
afterAll(() => {
  if (tried === withstood) record('bridge-attacks', { what: 'attacks on the bridge by name, over real sockets', tried, through: 0 });
});

const refused = (): string[] => log.flatMap((event) => (event.event === 'refused' ? [`${event.status} ${event.reason}`] : []));
const opened = (): number => log.filter(({ event }) => event === 'opened').length;
const send = async (...bytes: (string | Buffer)[]): Promise<Awaited<ReturnType<Raw['answer']>>> =>
  (await Raw.open(bridge)).answer(...bytes);

describe('refused before the upgrade, by name, with no process', () => {
  const rows: [string, number, string, () => string][] = [
    ['a foreign origin', 403, 'origin_not_allowed', () => upgradeText(bridge, { Origin: 'https://evil.example' })],
    ['the origin null', 403, 'origin_not_allowed', () => upgradeText(bridge, { Origin: 'null' })],
    ['a rebound name', 403, 'host_not_allowed', () => upgradeText(bridge, { Host: `evil.example:${new URL(bridge.url).port}` })],
    ['an IPv6 host', 403, 'host_not_allowed', () => upgradeText(bridge, { Host: `[::1]:${new URL(bridge.url).port}` })],
    ['an integer host', 403, 'host_not_allowed', () => upgradeText(bridge, { Host: `2130706433:${new URL(bridge.url).port}` })],
    ['a host with a trailing dot', 403, 'host_not_allowed', () => upgradeText(bridge, { Host: `localhost.:${new URL(bridge.url).port}` })],
    ['a wrong token', 401, 'token_wrong', () => upgradeText(bridge, { 'Sec-WebSocket-Protocol': `acp.v1, bearer.${'A'.repeat(43)}` })],
    [
      'a truncated token',
      401,
      'token_wrong',
      () => upgradeText(bridge, { 'Sec-WebSocket-Protocol': `acp.v1, bearer.${bridge.token.slice(0, -1)}` }),
    ],
    [
      'the token twice',
      401,
      'token_repeated',
      () => upgradeText(bridge, { 'Sec-WebSocket-Protocol': `acp.v1, bearer.${bridge.token}, bearer.${bridge.token}` }),
    ],
    [
      'the token in the query',
      400,
      'query_not_accepted',
      () => upgradeText(bridge, { 'Sec-WebSocket-Protocol': 'acp.v1' }, `/agents/echo?token=${bridge.token}`),
    ],
    ['the token in the path', 404, 'agent_unknown', () => upgradeText(bridge, {}, `/agents/${bridge.token}`)],
    ['an unknown agent', 404, 'agent_unknown', () => upgradeText(bridge, {}, '/agents/nobody')],
    ['a path that climbs', 400, 'malformed_target', () => upgradeText(bridge, {}, '/agents/../agents/echo')],
    ['an escaped path', 400, 'malformed_target', () => upgradeText(bridge, {}, '/agents/..%2fagents/echo')],
    [
      'two origins',
      400,
      'malformed_headers',
      () => upgradeText(bridge, { Origin: ORIGIN }, '/agents/echo', 'Origin: https://evil.example\r\n'),
    ],
    ['no upgrade at all', 426, 'upgrade_required', () => upgradeText(bridge, { Upgrade: null, Connection: null })],
    ['an upgrade to HTTP/2', 426, 'upgrade_required', () => upgradeText(bridge, { Upgrade: 'h2c' })],
    ['a pipelined upgrade', 400, 'early_bytes', () => upgradeText(bridge) + upgradeText(bridge)],
    [
      'a frame before the answer',
      400,
      'early_bytes',
      () => upgradeText(bridge) + frame(TEXT, '{"jsonrpc":"2.0","id":1,"method":"x"}').toString('latin1'),
    ],
  ];
  it.each(rows)('%s: %i', async (_name, status, reason, text) => {
    const answer = await send(Buffer.from(text(), 'latin1'));
    expect({ status: answer.status, error: answer.body.error }).toEqual({ status, error: reason });
    expect(refused()).toEqual([`${status} ${reason}`]);
    expect(opened()).toBe(0);
    expect(await alive()).toBe(0);
    // Neither the log nor the answer says the token again, wherever it was put.
    expect(JSON.stringify(log.slice(1)) + answer.text).not.toContain(bridge.token);
  });

  const expecting: [string, string, number, string][] = [
    ['a body it will not send', 'Expect: 100-continue\r\nContent-Length: 5\r\n', 400, 'malformed_body'],
    ['what nobody knows', 'Expect: foo\r\nContent-Length: 5\r\n', 400, 'malformed_body'],
    ['to go on, from a rebound name', 'Expect: 100-continue\r\nHost: evil.example\r\n', 403, 'host_not_allowed'],
    ['what nobody knows, from a rebound name', 'Expect: foo\r\nHost: evil.example\r\n', 403, 'host_not_allowed'],
    ['what nobody knows, without a token', 'Expect: foo\r\n', 401, 'token_missing'],
  ];
  it.each(expecting)('a request that expects %s', async (_name, headers, status, reason) => {
    const host = headers.includes('Host:') ? '' : `Host: ${new URL(bridge.url).host}\r\n`;
    const answer = await send(`GET /agents HTTP/1.1\r\n${host}Connection: keep-alive\r\n${headers}\r\n`);
    // Nothing is said before the decision: no 100 Continue, no 417.
    expect({ status: answer.status, error: answer.body.error, answers: answer.text.match(/HTTP\/1\.1 /g)?.length }).toEqual({
      status,
      error: reason,
      answers: 1,
    });
    expect(answer.text).toMatch(/^connection: close\r$/im);
    expect(refused()).toEqual([`${status} ${reason}`]);
  });

  it('but what a request that may be answered expects does not change its answer', async () => {
    for (const expectation of ['100-continue', 'foo']) {
      const { text } = await send(
        `GET /agents HTTP/1.1\r\nHost: ${new URL(bridge.url).host}\r\nAuthorization: Bearer ${bridge.token}\r\nExpect: ${expectation}\r\n\r\n`,
      );
      expect(text).toMatch(/^HTTP\/1\.1 200 /);
      expect(text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    }
  });

  it('a missing origin', async () => {
    await restart({ allowMissingOrigin: false });
    expect((await send(upgradeText(bridge))).body.error).toBe('origin_missing');
    expect((await send(upgradeText(bridge, { Origin: ORIGIN, Host: null }))).status).toBe(400);
  });

  it('no HTTP at all', async () => {
    expect((await send('\x16\x03\x01 hello\r\n\r\n')).status).toBe(400);
    expect(await alive()).toBe(0);
  });

  it('I10: headers without end', async () => {
    const answer = await send(upgradeText(bridge, { 'X-Long': 'x'.repeat(20_000) }));
    expect([400, 431]).toContain(answer.status);
  });

  it('an answer to a page that is not allowed, which its browser then keeps from it', async () => {
    const answer = await send(upgradeText(bridge, { Origin: 'https://evil.example' }));
    expect(answer.text.toLowerCase()).not.toContain('access-control');
    const allowed = await send(upgradeText(bridge, { Origin: ORIGIN, 'Sec-WebSocket-Protocol': 'acp.v1' }));
    expect(allowed.text).toContain(`Access-Control-Allow-Origin: ${ORIGIN}`);
  });
});

describe('slow and half-open', () => {
  it('I10: a handshake that does not come, or does not end, is cut off', async () => {
    await restart({ limits: { handshakeMs: 300 } });
    const [silent, slow] = [await Raw.open(bridge), await Raw.open(bridge)];
    slow.socket.write(upgradeText(bridge).slice(0, 40));
    await Promise.all([silent.closed, slow.closed]);
    expect(await alive()).toBe(0);
  });

  it('a socket that is closed in one direction takes its tree with it', async () => {
    const raw = await Raw.upgraded(bridge);
    expect(await alive()).toBe(1);
    raw.socket.end();
    await raw.closed;
    await expect.poll(alive).toBe(0);
  });

  it('a client that gives no sign of life is cut off', async () => {
    await restart({ limits: { pingMs: 100, closeMs: 200 } });
    // A raw client answers no ping.
    const raw = await Raw.upgraded(bridge);
    await raw.closed;
    await expect.poll(alive).toBe(0);
  });
});

/** An agent that tells on stderr what it was told. */
const SEEN = {
  command: process.execPath,
  args: ['-e', 'process.stdin.on("data", (d) => process.stderr.write(d)); process.stdin.on("end", () => process.exit(0))'],
};

async function reportOf(id: string): Promise<ConnectionDiagnostics> {
  const url = `${bridge.url.replace('ws', 'http')}/connections/${id}/diagnostics`;
  const response = await fetch(url, { headers: { Authorization: `Bearer ${bridge.token}` } });
  return (await response.json()) as ConnectionDiagnostics;
}

const diagnosticsOf = async (id: string): Promise<string> => (await reportOf(id)).stderr;

describe('frames', () => {
  const good = '{"jsonrpc":"2.0","id":1,"method":"echo","params":{"a":1}}';
  const rows: [string, number, object, () => Buffer][] = [
    ['binary', 1002, {}, () => frame(0x82, good)],
    ['not JSON', 1002, {}, () => frame(TEXT, 'hello')],
    ['a batch', 1002, {}, () => frame(TEXT, `[${good}]`)],
    ['two messages in one', 1002, {}, () => frame(TEXT, `${good}\n${good}`)],
    [
      'invalid UTF-8',
      1002,
      {},
      () => frame(TEXT, Buffer.concat([Buffer.from('{"jsonrpc":"2.0","method":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')])),
    ],
    ['compressed', 1002, {}, () => frame(0xc1, good)],
    ['unmasked', 1002, {}, () => frame(TEXT, good, { masked: false })],
    ['an unknown opcode', 1002, {}, () => frame(0x83, good)],
    ['a continuation of nothing', 1002, {}, () => frame(0x80, good)],
    ['a long ping', 1002, {}, () => frame(0x89, 'x'.repeat(126))],
    ['oversize', 1009, { limit: 'messageBytes' }, () => frame(TEXT, `"${'x'.repeat(70_000)}"`)],
    ['oversize by its word alone', 1009, { limit: 'messageBytes' }, () => frame(TEXT, '', { claim: 2 ** 40 })],
    [
      'oversize in pieces',
      1009,
      { limit: 'messageBytes' },
      () => Buffer.concat([frame(0x01, 'x'.repeat(40_000)), frame(0x80, 'x'.repeat(40_000))]),
    ],
  ];
  it.each(rows)('%s: closed with %i', async (_name, code, reason, bytes) => {
    await restart({ limits: { messageBytes: 65_536 } });
    const id = name();
    const raw = await Raw.upgraded(bridge, '/agents/echo', `, conn.${id}`);
    raw.socket.write(bytes());
    expect(await raw.close()).toMatchObject({ code, reason: { ...reason, connection: id } });
    raw.socket.destroy();
    await expect.poll(alive).toBe(0);
  });

  it('in pieces and between pings, as the standard allows', async () => {
    const raw = await Raw.upgraded(bridge);
    raw.socket.write(
      Buffer.concat([frame(0x01, good.slice(0, 10)), frame(0x89, 'ping'), frame(0x00, good.slice(10, 20)), frame(0x80, good.slice(20))]),
    );
    await raw.until(() => raw.frames().some(({ opcode }) => opcode === 1));
    const answer = raw.frames().find(({ opcode }) => opcode === 1);
    expect(JSON.parse(String(answer?.payload))).toEqual({ jsonrpc: '2.0', id: 1, result: { a: 1 } });
    raw.socket.destroy();
  });

  it('a command for an MCP server is answered, and the agent never sees it', async () => {
    await restart({ agents: { seen: SEEN } });
    const id = name();
    const raw = await Raw.upgraded(bridge, '/agents/seen', `, conn.${id}`);
    const smuggled =
      '{"jsonrpc":"2.0","id":"a","method":"session/new","params":{"cwd":"/","mcpServers":[],"mcp\\u0053ervers":[{"name":"x","command":"/bin/sh"}]}}';
    raw.socket.write(frame(TEXT, smuggled));
    await raw.until(() => raw.frames().length > 0);
    expect(JSON.parse(String(raw.frames()[0]!.payload))).toMatchObject({ id: 'a', error: { code: -32602 } });
    raw.socket.write(frame(TEXT, '{"jsonrpc":"2.0","method":"marker"}'));
    await expect.poll(() => diagnosticsOf(id)).toContain('marker');
    expect(await diagnosticsOf(id)).not.toContain('/bin/sh');
    // The log says that it happened, not what was in it.
    expect(JSON.stringify(log)).toContain('mcp_command_not_allowed');
    expect(JSON.stringify(log)).not.toContain('/bin/sh');
    raw.socket.destroy();
  });

  it.each([
    [
      'settings with hooks',
      { claudeCode: { options: { settings: { hooks: { SessionStart: [{ hooks: [{ type: 'command', command: 'id' }] }] } } } } },
    ],
    ['an argument that is JSON', { claudeCode: { options: { extraArgs: { 'mcp-config': '{"mcpServers":{"x":{"command":"id"}}}' } } } }],
    ['environment', { claudeCode: { options: { env: { NODE_OPTIONS: '--require /tmp/x.js' } } } }],
    ['an executable', { claudeCode: { options: { pathToClaudeCodeExecutable: '/tmp/x' } } }],
    ['all of it as JSON in a string', JSON.stringify({ claudeCode: { options: { env: {} } } })],
  ])('what an agent would run from `_meta` is answered, and the agent never sees it: %s', async (_name, meta) => {
    await restart({ agents: { seen: SEEN } });
    const id = name();
    const socket = new WebSocket(`${bridge.url}/agents/seen`, ['acp.v1', `bearer.${bridge.token}`, `conn.${id}`]);
    await once(socket, 'open');
    socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'session/new', params: { cwd: '/', mcpServers: [], _meta: meta } }));
    const [answer] = (await once(socket, 'message')) as [Buffer];
    expect(JSON.parse(String(answer))).toMatchObject({ id: 1, error: { code: -32602, data: { reason: 'meta_not_allowed' } } });
    socket.send('{"jsonrpc":"2.0","method":"marker"}');
    await expect.poll(() => diagnosticsOf(id)).toContain('marker');
    expect(await diagnosticsOf(id)).not.toContain('session/new');
    expect(JSON.stringify(log)).toContain('meta_not_allowed');
    expect(JSON.stringify(log)).not.toContain('claudeCode');
    socket.terminate();
  });

  it('I10: answers that nobody reads do not pile up', async () => {
    const raw = await Raw.upgraded(bridge);
    raw.socket.pause();
    const refusedCall = frame(
      TEXT,
      `{"jsonrpc":"2.0","id":"${'i'.repeat(1_000)}","method":"session/new","params":{"mcpServers":[{"command":"sh"}]}}`,
    );
    const block = Buffer.concat(Array.from({ length: 500 }, () => refusedCall));
    const before = held().external;
    let blocked = false;
    for (let turn = 0; turn < 100 && !blocked; turn += 1) {
      blocked =
        !raw.socket.write(block) &&
        (await Promise.race([
          once(raw.socket, 'drain').then(() => false),
          still(() => raw.socket.writableLength).then((left) => left > 0),
        ]));
    }
    expect(blocked).toBe(true);
    // The collector sweeps buffers beside the program: what is let go may be counted for a while.
    await expect.poll(() => held().external - before).toBeLessThan(40 * 1024 * 1024);
    raw.socket.destroy();
  });
});

it('I10: pongs that nobody reads do not pile up: whoever floods with pings is cut off, and its tree ends', async () => {
  const raw = await Raw.upgraded(bridge);
  raw.socket.pause();
  raw.socket.write(Buffer.concat(Array.from({ length: 5_000 }, () => frame(0x89, 'x'.repeat(125)))));
  await expect.poll(alive).toBe(0);
  raw.socket.destroy();
});

describe('many at once', () => {
  it('I10: hundreds of connections: some are let in, the others are refused by the limit they hit, and nothing stays', async () => {
    await restart({ limits: { connections: 5, upgradesPerSecond: 50 } });
    const tries = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const raw = await Raw.open(bridge);
        raw.socket.write(upgradeText(bridge));
        const text = await raw.until(() => raw.received.includes('\r\n\r\n'));
        return { raw, status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]) };
      }),
    );
    const count = (status: number): number => tries.filter((one) => one.status === status).length;
    expect(count(101)).toBe(5);
    expect(count(429) + count(503)).toBe(195);
    expect(count(503)).toBeGreaterThan(0);
    expect(new Set(refused())).toEqual(new Set(count(429) > 0 ? ['503 connections', '429 upgradesPerSecond'] : ['503 connections']));
    expect(await alive()).toBe(5);
    for (const { raw } of tries) raw.socket.destroy();
    await expect.poll(alive).toBe(0);
  });

  it('I10: upgrades that come too fast are refused with 429', async () => {
    const quick = { command: 'true' };
    await restart({ agents: { quick }, limits: { connections: 500, upgradesPerSecond: 2 } });
    const statuses: number[] = [];
    await Promise.all(
      Array.from({ length: 40 }, async () => {
        const raw = await Raw.open(bridge);
        raw.socket.write(upgradeText(bridge, {}, '/agents/quick'));
        const text = await raw.until(() => raw.received.includes('\r\n\r\n'));
        statuses.push(Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]));
        raw.socket.destroy();
      }),
    );
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(0);
    expect(statuses.every((status) => status === 101 || status === 429)).toBe(true);
  });

  it('I10: sockets over the limit are closed unread', async () => {
    await restart({ limits: { sockets: 10 } });
    const raws = await Promise.all(Array.from({ length: 30 }, () => Raw.open(bridge)));
    await expect.poll(() => raws.filter(({ socket }) => socket.destroyed).length).toBe(20);
    for (const { socket } of raws) socket.destroy();
  });

  it('the same connection name at the same time is one connection', async () => {
    const protocols = ['acp.v1', `bearer.${bridge.token}`, `conn.${name()}`];
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, () => {
        const socket = new WebSocket(`${bridge.url}/agents/echo`, protocols);
        return new Promise<string>((resolve) => {
          socket.once('open', () => resolve('open'));
          socket.once('unexpected-response', (_request, response) => {
            response.resume();
            resolve(String(response.statusCode));
          });
          socket.on('error', () => undefined);
        });
      }),
    );
    expect(outcomes.toSorted()).toEqual([...Array.from({ length: 7 }, () => '409'), 'open']);
  });
});

describe('where it listens', () => {
  it('loopback only, unless it is told otherwise in so many words', async () => {
    await expect(startBridge({ agents: AGENTS, host: '0.0.0.0' })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('--allow-remote') as string,
    });
    const open = await startBridge({ agents: AGENTS, host: '0.0.0.0', allowRemote: true });
    await open.close();
  });

  it('where its agents can work only', async () => {
    const invalid = (message: string): object => ({ code: 'invalid_argument', message: expect.stringContaining(message) as string });
    await expect(startBridge({ agents: AGENTS, cwd: '/nope' })).rejects.toMatchObject(
      invalid("The working directory /nope of the agent 'missing' does not exist."),
    );
    await expect(startBridge({ agents: { ...AGENTS, own: { command: 'x', cwd: '/dev/null' } } })).rejects.toMatchObject(
      invalid("The working directory /dev/null of the agent 'own' is not a directory."),
    );
    await (await startBridge({ agents: { own: { command: 'x', cwd: '/' } }, cwd: '/nope' })).close();
  });

  it('within limits that are some', async () => {
    await expect(startBridge({ agents: AGENTS, processLimits: { askMs: -1 } })).rejects.toMatchObject({
      code: 'invalid_argument',
      data: { limit: 'askMs' },
    });
  });

  it('says when the port is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    await expect(startBridge({ agents: AGENTS, port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    server.close();
  });

  it('leaves no file descriptor behind', async () => {
    const count = (): number => readdirSync('/proc/self/fd').length;
    const round = async (): Promise<void> => {
      const raw = await Raw.upgraded(bridge);
      raw.socket.destroy();
      await raw.closed;
      await send(upgradeText(bridge, { Origin: 'null' }));
      await expect.poll(alive).toBe(0);
    };
    await round();
    const before = count();
    for (let turn = 0; turn < 5; turn += 1) await round();
    await expect.poll(count).toBeLessThanOrEqual(before);
  });
});
