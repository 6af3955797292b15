/** One host, many clients: they come and go, look, are cut off, and what runs goes on. */
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { streamDoor, type BridgeLimits } from '../../../src/bridge/index.ts';
import { createHost } from '../../../src/engine/index.ts';
import { startServer } from '../../../src/server/index.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { socketStream } from '../../support/socket-stream.ts';
import { INITIALIZE, rawClient, text, type RawClient } from '../../unit/agents/raw-client.ts';
import { PATIENT } from '../engine/helpers.ts';

let stop: () => Promise<void> = async () => undefined;
afterEach(() => stop());

async function serving(limits: Partial<BridgeLimits> = {}) {
  const database = await openNodeSqlite(':memory:');
  const agents = inProcessLauncher();
  const host = await createHost({ database, agents, limits: PATIENT });
  const server = await startServer(host, { agents: ['demo'], door: streamDoor({ allowMissingOrigin: true, limits }) });
  stop = async () => {
    await server.close();
    await host.sleep();
    await database.close();
  };
  const connect = async (subprotocol?: string) => {
    const stream = await socketStream(server, 'demo', subprotocol);
    const client = rawClient(stream);
    await client.request('initialize', INITIALIZE);
    return Object.assign(client, { socket: stream.socket });
  };
  return { host, server, connect };
}

const opened = async (client: RawClient): Promise<string> =>
  (await client.request('session/new', { cwd: process.cwd(), mcpServers: [] })).result.sessionId;
const take = (client: RawClient, method: 'load' | 'resume', sessionId: string, after?: number) =>
  client.request(`session/${method}`, {
    sessionId,
    cwd: process.cwd(),
    mcpServers: [],
    ...(after === undefined ? {} : { _meta: { rehydrate: { after } } }),
  });
const lastSeq = (client: RawClient): number => Math.max(...client.seen.flatMap((message) => message.params?._meta?.rehydrate?.seq ?? []));

describe('observers', () => {
  it('see everything and can change nothing', async () => {
    const { connect } = await serving();
    const one = await connect();
    const sessionId = await opened(one);
    const eye = await connect('observe.v1');
    await take(eye, 'load', sessionId);
    one.answers.set('session/request_permission', ({ options }) => ({
      outcome: { outcome: 'selected', optionId: options[0].optionId },
    }));
    await one.request('session/prompt', { sessionId, prompt: text('ask permission') });
    await expect.poll(() => eye.said()).toBe(one.said());
    expect(eye.seen.filter((message) => message.method === 'session/request_permission')).toEqual([]);
    for (const [method, params] of [
      ['session/prompt', { prompt: text('say hi') }],
      ['session/new', { cwd: process.cwd(), mcpServers: [] }],
      ['session/delete', {}],
      ['session/set_mode', { modeId: 'brief' }],
      ['_anything/else', {}],
    ] as const)
      expect((await eye.request(method, { sessionId, ...params })).error).toMatchObject({ code: -32600 });
    // Its closing closes nothing, and its cancel cancels nothing.
    const running = one.request('session/prompt', { sessionId, prompt: text('stream 50 chunks') });
    await eye.notify('session/cancel', { sessionId });
    await eye.request('session/close', { sessionId });
    expect((await running).result.stopReason).toBe('end_turn');
  });
});

describe('an editor that hands over MCP commands', () => {
  it('is refused, and told what to start the server with', async () => {
    const { connect } = await serving();
    const one = await connect();
    const { error } = await one.request('session/new', {
      cwd: process.cwd(),
      mcpServers: [{ name: 'notes', command: '/bin/true', args: [], env: [] }],
    });
    expect(error).toMatchObject({ code: -32602, data: { reason: 'mcp_command_not_allowed' } });
    expect(error.message).toMatch(/rehydrate serve\) with --allow-mcp/);
  });
});

describe('a client that comes back', () => {
  it('gets what it missed of a turn that went on without it: no gap, no repeat', async () => {
    const { connect } = await serving();
    const one = await connect();
    const sessionId = await opened(one);
    void one.request('session/prompt', { sessionId, prompt: text('stream 3000 chunks') });
    await expect.poll(() => one.said().length).toBeGreaterThan(100);
    one.socket.terminate();
    await one.ended;
    const back = await connect();
    const { result } = await take(back, 'resume', sessionId, lastSeq(one));
    expect(result.modes).toBeDefined();
    const wanted = Array.from({ length: 3000 }, (_, i) => `chunk ${i + 1} `).join('');
    await expect.poll(() => (one.said() + back.said()).length).toBeGreaterThanOrEqual(wanted.length);
    expect(one.said() + back.said()).toBe(wanted);
  });

  it('with the cursor of a session that was deleted and made again gets an error, and with that of the new one what it missed', async () => {
    const { host, connect } = await serving();
    const one = await connect();
    const { result } = await one.request('session/new', { cwd: process.cwd(), mcpServers: [] });
    const { sessionId } = result;
    await one.request('session/prompt', { sessionId, prompt: text('say one') });
    const after = lastSeq(one);
    await one.request('session/delete', { sessionId });
    await host.create({ agent: 'demo', cwd: process.cwd(), sessionId });
    for (const words of ['say two', 'say three']) await host.prompt(sessionId, words);
    const back = await connect();
    expect((await take(back, 'resume', sessionId, after)).error).toMatchObject({ code: -32602, data: { sessionId } });
    expect((await take(back, 'load', sessionId, 0)).error).toBeUndefined();
    expect((await take(back, 'resume', sessionId, lastSeq(back))).error).toBeUndefined();
    expect(back.said()).toBe('twothree');
  });

  it('I10: one that does not read is cut off, the others notice nothing, and its cursor brings the rest', async () => {
    const { connect } = await serving({ bufferedBytes: 10_000, stalledMs: 500 });
    const one = await connect();
    const sessionId = await opened(one);
    const slow = await connect();
    await take(slow, 'resume', sessionId);
    slow.socket.pause();
    const closed = once(slow.socket, 'close');
    let turns = 0;
    // What the kernel holds for a client is more than a turn says.
    const text20k = `say ${'x'.repeat(200_000)}`;
    while (turns < 100 && (turns < 40 || slow.socket.readyState === slow.socket.OPEN)) {
      const { result } = await one.request('session/prompt', { sessionId, prompt: text(text20k) });
      expect(result.stopReason).toBe('end_turn');
      turns += 1;
      if (turns === 40) slow.socket.resume();
    }
    await closed;
    const back = await connect();
    await take(back, 'resume', sessionId, lastSeq(slow));
    const all = () =>
      [slow, back].flatMap((client) => client.updates('agent_message_chunk')).reduce((sum, update) => sum + update.content.text.length, 0);
    await expect.poll(all).toBe(turns * 200_000);
  });
});

describe('the end of a server', () => {
  it('turns are asked to end and their ends are stored; clients are told that it goes', async () => {
    const { host, server, connect } = await serving();
    const one = await connect();
    const sessionId = await opened(one);
    const running = one.request('session/prompt', { sessionId, prompt: text('count to 1000000') });
    await expect.poll(() => one.said()).not.toBe('');
    const closed = once(one.socket, 'close');
    await server.close();
    expect((await closed)[0]).toBe(4005);
    expect((await running).result.stopReason).toBe('cancelled');
    expect((await host.history(sessionId)).filter((event) => event.kind === 'turn_ended')).toMatchObject([
      { payload: { state: 'cancelled' } },
    ]);
  });

  it('closes its door although the record cannot be read', async () => {
    const { host } = await serving();
    const gone = new Error('the record is gone');
    const server = await startServer({ ...host, list: () => Promise.reject(gone) }, { agents: ['demo'], door: streamDoor({}) });
    await expect(server.close()).rejects.toBe(gone);
    await expect(fetch(server.url.replace('ws', 'http'))).rejects.toThrow('fetch failed');
  });
});

describe('the start of a server', () => {
  it('refuses limits that are none, rather than each client', async () => {
    const { host } = await serving();
    const start = startServer(host, { agents: ['demo'], door: streamDoor({}), limits: { requests: -1 } });
    await expect(start).rejects.toMatchObject({ code: 'invalid_argument', data: { limit: 'requests' } });
  });
});
