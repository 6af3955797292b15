/** Long records and clients that do not read: what is sent is bounded by who reads it. */
import { describe, expect, it } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { createHost, type SqlDatabase } from '../../../src/engine/index.ts';
import { serveAcp } from '../../../src/server/index.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { pair } from '../../support/pair.ts';
import { INITIALIZE, rawClient, text } from '../../unit/agents/raw-client.ts';
import { CWD, hostOf, PATIENT } from '../engine/helpers.ts';
import { ordinary, rawAgents, words } from '../engine/raw-agent.ts';
import { still } from '../../support/still.ts';

/** A session whose log has so many messages, each in chunks, as if it had gone on for weeks. */
async function longSession(database: SqlDatabase, messages: number): Promise<string> {
  const host = await createHost({ database, agents: inProcessLauncher(), limits: PATIENT });
  const { sessionId } = await host.create({ agent: 'demo', cwd: '/project' });
  await host.sleep();
  const from = (await database.query('SELECT latest_seq FROM acp_sessions'))[0]?.['latest_seq'] as number;
  let seq = from;
  const row = (turn: number, origin: string, payload: unknown) => ({
    sql: `INSERT INTO acp_session_events (session_id, seq, turn_id, at, kind, origin, payload) VALUES (?, ?, ?, 1, 'update', ?, ?)`,
    params: [sessionId, (seq += 1), `turn-${turn}`, origin, JSON.stringify(payload)],
  });
  const chunk = (sessionUpdate: string, words: string, messageId?: string) => ({
    sessionUpdate,
    ...(messageId ? { messageId } : {}),
    content: { type: 'text', text: words },
  });
  const rows = Array.from({ length: messages / 2 }, (_, turn) => [
    row(turn, 'host', chunk('user_message_chunk', `question ${turn}`)),
    ...['the ', 'answer ', String(turn)].map((words) => row(turn, 'agent', chunk('agent_message_chunk', words, `m${turn}`))),
  ]).flat();
  await database.batch([...rows, { sql: 'UPDATE acp_sessions SET latest_seq = ?', params: [seq] }]);
  return sessionId;
}

describe('a session of 10 000 messages', () => {
  it('I3, I10: is loaded in order, each message once, without its agent, and only as fast as it is read', async () => {
    const database = await openNodeSqlite(':memory:');
    const sessionId = await longSession(database, 10_000);
    const agents = inProcessLauncher();
    let queries = 0;
    const counting: SqlDatabase = {
      ...database,
      query: (sql, params) => ((queries += 1), database.query(sql, params)),
      batch: (s) => database.batch(s),
      close: () => database.close(),
    };
    const host = await createHost({ database: counting, agents, limits: PATIENT });
    const { client, server } = pair();
    serveAcp(host, server, { agent: 'demo' });
    const writer = client.writable.getWriter();
    await writer.write({ jsonrpc: '2.0', id: 1, method: 'session/load', params: { sessionId, cwd: '/project', mcpServers: [] } });
    const reader = client.readable.getReader();
    const first = await reader.read();
    expect(first.value).toMatchObject({ method: 'session/update', params: { update: { content: { text: 'question 0' } } } });
    // Nobody reads: what is fetched is what may wait for the client (queuedChars), a fraction of the 80 pages.
    const still = async () => {
      for (let seen = -1; seen !== queries;) {
        seen = queries;
        for (let i = 0; i < 50; i += 1) await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await still();
    expect(queries).toBeLessThan(40);

    const words: string[] = ['question 0'];
    for (;;) {
      const { value } = await reader.read();
      if (!value || 'id' in value) {
        expect(value).toMatchObject({ id: 1, result: { modes: { currentModeId: 'chatty' } } });
        break;
      }
      const { update } = (value as { params: { update: { sessionUpdate: string; content?: { text: string } } } }).params;
      if (update.content) words.push(update.content.text);
    }
    expect(words).toEqual(Array.from({ length: 5_000 }, (_, turn) => [`question ${turn}`, `the answer ${turn}`]).flat());
    // Its agent gave it no title; a person still finds it.
    await writer.write({ jsonrpc: '2.0', id: 2, method: 'session/list', params: {} });
    expect((await reader.read()).value).toMatchObject({ id: 2, result: { sessions: [{ sessionId, title: 'question 0' }] } });
    expect(agents.launched).toBe(0);
    await host.sleep();
    await database.close();
  });
});

describe('a client that does not read', () => {
  it('I10: holds up nobody else, and has all of it when it reads again', async () => {
    const database = await openNodeSqlite(':memory:');
    const host = await createHost({ database, agents: inProcessLauncher(), limits: { ...PATIENT, subscriberEvents: 50 } });
    const serve = () => {
      const { client, server } = pair();
      serveAcp(host, server, { agent: 'demo' });
      return client;
    };
    const one = rawClient(serve());
    await one.request('initialize', INITIALIZE);
    const { sessionId } = (await one.request('session/new', { cwd: '/project', mcpServers: [] })).result;
    const silent = serve();
    const writer = silent.writable.getWriter();
    await writer.write({ jsonrpc: '2.0', id: 1, method: 'session/resume', params: { sessionId, cwd: '/project' } });
    const reader = silent.readable.getReader();
    expect((await reader.read()).value).toMatchObject({ id: 1 });

    const { result } = await one.request('session/prompt', { sessionId, prompt: text('stream 3000 chunks') });
    expect(result.stopReason).toBe('end_turn');

    let words = '';
    while (!/chunk 3000 $/.test(words)) {
      const { value } = await reader.read();
      const update = (value as { params?: { update: { sessionUpdate: string; content: { text: string } } } }).params?.update;
      if (update?.sessionUpdate === 'agent_message_chunk') words += update.content.text;
    }
    expect(words).toBe(one.said());
    await host.sleep();
    await database.close();
  });
});

describe('an extension’s notifications, which are not in the record', () => {
  const NUMBER = 500;
  const TEN_KB = 'x'.repeat(10_000);

  /** A client that has prompted an agent which says much of its own and then a word, and reads nothing. */
  async function silent(unreadMs: number) {
    const agents = rawAgents((message, agent) => {
      if (message.method === 'session/prompt') {
        for (let n = 1; n <= NUMBER; n += 1) agent.say({ jsonrpc: '2.0', method: '_raw/said', params: { sessionId: 'raw-1', n, TEN_KB } });
        agent.say(words('done'));
      }
      agent.say(ordinary(message));
    });
    const { host } = await hostOf(agents);
    const { sessionId } = await host.create({ agent: 'raw', cwd: CWD });
    const { client, server } = pair();
    serveAcp(host, server, { agent: 'raw', limits: { unreadMs } });
    const writer = client.writable.getWriter();
    await writer.write({ jsonrpc: '2.0', id: 1, method: 'session/prompt', params: { sessionId, prompt: text('go') } });
    const numbers: number[] = [];
    const reader = client.readable.getReader();
    /** Reads on to the answer of the prompt. */
    const readOn = async () => {
      for (;;) {
        const { value } = (await reader.read()) as { value: { id?: number; params?: { n?: number } } };
        if (value.params?.n !== undefined) numbers.push(value.params.n);
        if (value.id !== undefined) return value;
      }
    };
    return { host, sessionId, agents, writer, readOn, numbers };
  }

  it('I10: are read from the agent only as fast as the client takes them, and it has all of them', async () => {
    const { agents, readOn, numbers } = await silent(600_000);
    await still(() => agents.last?.read);
    // What is read is what may wait for the client: of 5 MB a part.
    expect(agents.last?.read).toBeLessThan(60);
    expect(await readOn()).toMatchObject({ id: 1, result: { stopReason: 'end_turn' } });
    expect(numbers).toEqual(Array.from({ length: NUMBER }, (_, n) => n + 1));
  });

  it('I10: hold up a session for no longer than unreadMs; its client has all that is in the record, and what follows when it reads again', async () => {
    const { host, sessionId, writer, readOn, numbers } = await silent(50);
    // The turn of the client that does not read is over for everybody else.
    await expect.poll(async () => (await host.history(sessionId)).at(-1)?.kind).toBe('turn_ended');
    expect(await readOn()).toMatchObject({ id: 1, result: { stopReason: 'end_turn' } });
    expect(numbers.length).toBeLessThan(60);
    numbers.length = 0;
    await writer.write({ jsonrpc: '2.0', id: 2, method: 'session/prompt', params: { sessionId, prompt: text('go on') } });
    expect(await readOn()).toMatchObject({ id: 2, result: { stopReason: 'end_turn' } });
    expect(numbers).toEqual(Array.from({ length: NUMBER }, (_, n) => n + 1));
  });
});
