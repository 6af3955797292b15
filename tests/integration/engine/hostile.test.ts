/** What agents may send that is not the protocol, or too much of it: nothing is lost, nothing stops, nothing grows without end. */
import { describe, expect, it } from 'vitest';
import { createHost, SqlError, type RehydrateError } from '../../../src/engine/index.ts';
import { still } from '../../support/still.ts';
import { CWD, hostOf, PATIENT, said, until } from './helpers.ts';
import { ordinary, rawAgents, update, words, type Heard, type RawAgent } from './raw-agent.ts';
import { watched } from './watched-agents.ts';

/** Does all right, and `also` says more when it is prompted. */
const prompted = (also: (agent: RawAgent, message: Heard) => void) =>
  rawAgents((message, agent) => {
    if (message.method === 'session/prompt') also(agent, message);
    if (message.method) agent.say(ordinary(message));
  });

const CREATE = { agent: 'raw', cwd: CWD, sessionId: 's' };

describe('I11: what is not the protocol', () => {
  it.each<[string, unknown]>([
    ['a batch', [words('batched'), words('too')]],
    ['null', null],
    ['a number', 7],
    ['a text', 'hello'],
    ['an answer to nothing', { jsonrpc: '2.0', id: 99, result: {} }],
    ['an answer with a strange id', { jsonrpc: '2.0', id: { toString: 1 }, result: {} }],
    ['a notification nobody knows', { jsonrpc: '2.0', method: 'session/unheard', params: [1, 2] }],
    ['an update that is none', update('not an object')],
    [
      'an update of another session',
      {
        jsonrpc: '2.0',
        method: 'session/update',
        params: { sessionId: 'other', update: { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: 'not ours' } } },
      },
    ],
  ])('%s is passed over, and what stands around it is stored', async (_what, message) => {
    const { host } = await hostOf(prompted((agent) => agent.say(words('before '), message, words('after'))));
    await host.create(CREATE);
    const { turnId, stopReason } = await host.prompt('s', 'go');
    expect(stopReason).toBe('end_turn');
    expect(said(await host.history('s'), turnId)).toBe('before after');
  });

  it.each<[string, unknown]>([
    ['a kind that is no text', { sessionUpdate: JSON.parse('{"toString":1}') as unknown, anything: [1] }],
    ['a chunk whose text is none', { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: { deep: true } } }],
    ['a chunk without content', { sessionUpdate: 'agent_message_chunk' }],
    ['a kind from the future', { sessionUpdate: 'hologram', shape: { points: [1, 2, 3] } }],
  ])('%s is kept as sent', async (_what, payload) => {
    const { host } = await hostOf(
      prompted((agent) => agent.say(words('before '), update(payload, { _meta: { mark: 1 } }), words('after'))),
    );
    await host.create(CREATE);
    const { turnId } = await host.prompt('s', 'go');
    const events = (await host.history('s')).filter((event) => event.turnId === turnId && event.origin === 'agent');
    expect(events.map((event) => event.payload)).toContainEqual(payload);
    expect(events.find((event) => event.meta)?.meta).toEqual({ mark: 1 });
    expect(await host.transcript('s')).toContain('after');
  });

  it('answers twice: the first counts, also when the second says something else', async () => {
    const { host } = await hostOf(
      prompted((agent, message) => agent.say(words('once'), { jsonrpc: '2.0', id: message.id, result: { stopReason: 'refusal' } })),
    );
    await host.create(CREATE);
    expect((await host.prompt('s', 'go')).stopReason).toBe('refusal');
    expect((await host.prompt('s', 'go')).stopReason).toBe('refusal');
    expect((await host.history('s')).filter((event) => event.kind === 'turn_ended')).toHaveLength(2);
  });

  it('ids that come back as texts are understood', async () => {
    const { host } = await hostOf(rawAgents((message, agent) => agent.say({ ...(ordinary(message) as object), id: String(message.id) })));
    await host.create(CREATE);
    expect((await host.prompt('s', 'go')).stopReason).toBe('end_turn');
  });

  it('words behind the answer are stored, and belong to no turn', async () => {
    const agents = prompted(() => undefined);
    const { host } = await hostOf(agents);
    await host.create(CREATE);
    await host.prompt('s', 'go');
    agents.last?.say(words('by the way'));
    await until(async () => said(await host.history('s')) === 'by the way');
    expect((await host.history('s')).at(-1)?.turnId).toBeNull();
  });

  it('words before the answer to session/new are stored behind the report', async () => {
    const { host } = await hostOf(
      rawAgents((message, agent) => {
        if (message.method === 'session/new') agent.say(words('welcome'));
        agent.say(ordinary(message));
      }),
    );
    await host.create(CREATE);
    await until(async () => said(await host.history('s')) === 'welcome');
    expect((await host.history('s')).map((event) => event.kind)).toEqual(['resumed', 'update']);
  });
});

describe('null where an answer belongs', () => {
  it.each(['initialize', 'session/new'])('I7: %s: agent_protocol_error, and nothing is left, no agent either', async (method) => {
    const agents = watched(
      rawAgents((message, agent) =>
        agent.say(message.method === method ? { jsonrpc: '2.0', id: message.id, result: null } : ordinary(message)),
      ),
      { lingerMs: 50 },
    );
    const { host } = await hostOf(agents);
    await expect(host.create(CREATE)).rejects.toMatchObject({ code: 'agent_protocol_error' });
    expect([agents.launched, agents.running], 'launched, and running when it was refused').toEqual([1, 0]);
    expect((await host.list()).sessions).toEqual([]);
  });

  it.each([
    [12345, 'with the session id 12345, which must be a well-formed string'],
    ['', 'with the session id "", which must be a well-formed string'],
    // SQLite keeps text as UTF-8, which has no half of a pair: the agent would be asked for another id.
    ['half \ud83d', 'with the session id "half \\ud83d", which must be a well-formed string'],
    [undefined, 'without naming the session'],
  ])('session/new with the session id %j: the error says what it answered', async (sessionId, words) => {
    const { host } = await hostOf(
      rawAgents((message, agent) =>
        agent.say(message.method === 'session/new' ? { jsonrpc: '2.0', id: message.id, result: { sessionId } } : ordinary(message)),
      ),
    );
    await expect(host.create(CREATE)).rejects.toMatchObject({
      code: 'agent_protocol_error',
      message: expect.stringContaining(words) as string,
    });
  });

  it('session/prompt: the turn failed, says so, and says so again for the same key', async () => {
    const { host } = await hostOf(
      rawAgents((message, agent) =>
        agent.say(message.method === 'session/prompt' ? { jsonrpc: '2.0', id: message.id, result: null } : ordinary(message)),
      ),
    );
    await host.create(CREATE);
    for (let i = 0; i < 2; i++)
      await expect(host.prompt('s', 'go', { idempotencyKey: 'k' })).rejects.toMatchObject({ code: 'agent_protocol_error' });
    expect((await host.history('s')).filter((event) => event.kind === 'turn_ended').map((event) => event.payload.state)).toEqual([
      'failed',
    ]);
  });
});

describe('requests while it starts', () => {
  it('are answered, and the start goes on when they are', async () => {
    const agents = rawAgents((message, agent) => {
      if (message.method === 'initialize')
        agent.say(
          { jsonrpc: '2.0', id: 'a', method: 'fs/read_text_file', params: { path: '/x' } },
          { jsonrpc: '2.0', id: 'b', method: 'session/request_permission', params: { options: [] } },
        );
      if (message.method === 'session/new' && agents.heard.filter((each) => each.method === undefined).length < 2)
        throw new Error('the requests were not answered first');
      if (message.method) agent.say(ordinary(message));
    });
    const { host } = await hostOf(agents);
    await host.create(CREATE);
    const answers = agents.heard.filter((message) => message.method === undefined);
    expect(answers.sort((one, other) => String(one.id).localeCompare(String(other.id)))).toMatchObject([
      { id: 'a', error: { code: -32601 } },
      { id: 'b', result: { outcome: { outcome: 'cancelled' } } },
    ]);
  });
});

describe('I10: too much', () => {
  it('before the answer to session/new: an error that names the limit', async () => {
    const { host } = await hostOf(
      rawAgents((message, agent) => {
        if (message.method === 'session/new') agent.say(...Array.from({ length: 60 }, (_, i) => words(`${i} `, `m${i}`)));
        else agent.say(ordinary(message));
      }),
      { limits: { ...PATIENT, queuedEvents: 50 } },
    );
    await expect(host.create(CREATE)).rejects.toMatchObject({ code: 'limit_exceeded', data: { limit: 'queuedEvents', allowed: 50 } });
  });

  it.each([
    ['what it says', { content: { type: 'text', text: 'é'.repeat(600) } }, {}],
    ['what it says of it in _meta', { content: { type: 'text', text: 'e' } }, { _meta: { pad: 'x'.repeat(1_200) } }],
  ])('before the answer to session/new, in bytes: the error names that limit: %s', async (_, said, beside) => {
    const { host } = await hostOf(
      rawAgents((message, agent) => {
        if (message.method === 'session/new') agent.say(update({ sessionUpdate: 'agent_message_chunk', ...said }, beside));
        if (message.method) agent.say(ordinary(message));
      }),
      { limits: { ...PATIENT, queuedBytes: 1_000 } },
    );
    await expect(host.create(CREATE)).rejects.toMatchObject({
      code: 'limit_exceeded',
      message: expect.stringContaining('queuedBytes (1000 bytes)') as string,
      data: { limit: 'queuedBytes', allowed: 1_000 },
    });
  });

  const LONG = 'x'.repeat(1_000_000);
  const result = (id: unknown, value: unknown) => ({ jsonrpc: '2.0', id, result: value });
  const METHODS = [{ id: LONG, name: LONG }];
  it.each<[string, string, (message: Heard, agent: RawAgent) => void]>([
    [
      'ids of answers to nothing',
      'session/new',
      ({ id }, agent) =>
        agent.say(...Array.from({ length: 20 }, (_, i) => result(LONG + i, {})), { jsonrpc: '2.0', id, error: { code: 1, message: 'no' } }),
    ],
    ['its version', 'initialize', ({ id }, agent) => agent.say(result(id, { protocolVersion: LONG }))],
    ['an answer that names no session', 'session/new', ({ id }, agent) => agent.say(result(id, { pad: LONG }))],
    ['an answer without a stop reason', 'session/prompt', ({ id }, agent) => agent.say(result(id, { pad: LONG }))],
    [
      'the name of another session',
      'session/prompt',
      ({ id }, agent) => agent.say(update({ sessionUpdate: 'plan' }, { sessionId: LONG }), result(id, { stopReason: 'end_turn' })),
    ],
    [
      'its ways to sign in',
      'session/new',
      ({ id }, agent) => agent.say({ jsonrpc: '2.0', id, error: { code: -32000, message: 'Sign in' } }),
    ],
  ])('an error quotes the beginning of %s, not all of it', async (what, at, answer) => {
    const { host } = await hostOf(
      rawAgents((message, agent) => {
        if (message.method === at) return answer(message, agent);
        const authMethods = what === 'its ways to sign in' ? METHODS : [];
        if (message.method === 'initialize') agent.say(result(message.id, { protocolVersion: 1, agentCapabilities: {}, authMethods }));
        else if (message.method) agent.say(ordinary(message));
      }),
    );
    const error = (await host
      .create(CREATE)
      .then(() => host.prompt('s', 'go'))
      .catch((thrown: unknown) => thrown)) as RehydrateError;
    const { authMethods: _, ...data } = error.data;
    expect(error.message.length).toBeLessThan(10_000);
    expect(JSON.stringify(data).length).toBeLessThan(100_000);
    expect(error.message).toMatch(/x{100}|no stop reason|without naming/);
  });

  it('while the storage is busy: reading stops at the limit, and nothing is lost', async () => {
    const COUNT = 2_000;
    const agents = prompted((agent) => agent.say(...Array.from({ length: COUNT }, (_, i) => words(`${i} `, `m${i}`))));
    let release = () => {};
    let held: Promise<void> | null = null;
    const { host } = await hostOf(agents, { limits: { ...PATIENT, queuedEvents: 100 } }, (db) => ({
      ...db,
      query: (sql, params) => db.query(sql, params),
      close: () => db.close(),
      async batch(statements) {
        if (held && statements.some(({ params }) => params?.includes('agent'))) await held;
        return db.batch(statements);
      },
    }));
    await host.create(CREATE);
    held = new Promise((resolve) => (release = resolve));
    const over = host.prompt('s', 'go');
    const before = agents.last?.read ?? 0;
    const read = () => (agents.last?.read ?? 0) - before;
    await until(() => read() > 50);
    // Until it reads no further.
    expect(await still(read)).toBeLessThan(220);
    release();
    held = null;
    const { turnId } = await over;
    expect(said(await host.history('s'), turnId)).toBe(Array.from({ length: COUNT }, (_, i) => `${i} `).join(''));
  });
});

describe('a replay of ten thousand updates', () => {
  it('I3: is matched whole and adds nothing', async () => {
    const TURNS = 500;
    const told = (turn: number) => Array.from({ length: 10 }, (_, i) => words(`word ${turn}.${i} `, `a${turn}`));
    let turn = 0;
    const agents = rawAgents((message, agent) => {
      if (message.method === 'session/prompt') agent.say(...told(turn++));
      if (message.method === 'session/load') {
        for (let i = 0; i < turn; i++) {
          const question = `question number ${i}`;
          // Cut differently than it was said.
          agent.say(
            ...Array.from({ length: 10 }, (_, at) =>
              update({
                sessionUpdate: 'user_message_chunk',
                content: { type: 'text', text: question.slice(at * 2, at === 9 ? undefined : at * 2 + 2) },
                messageId: `u${i}`,
              }),
            ),
            ...told(i),
          );
        }
      }
      if (message.method) agent.say(ordinary(message, { loadSession: true }));
    });
    const { host, db } = await hostOf(agents);
    await host.create(CREATE);
    for (let i = 0; i < TURNS; i++) await host.prompt('s', `question number ${i}`);
    await host.close('s');
    const before = await host.history('s');
    const next = await createHost({ database: db, agents, ownerAlive: () => false });
    const report = await next.resume('s');
    expect(report).toMatchObject({
      tier: 'load',
      verified: 'replay-matched',
      replay: { received: 2 * TURNS, matched: 2 * TURNS, missing: 0, imported: 0 },
    });
    expect((await next.history('s', { after: before.at(-1)!.seq })).map((event) => event.kind)).toEqual(['resumed']);
    await next.sleep();
  });
});

describe('secrets that are said in pieces', () => {
  const value = 'canary-7f3d9a1c55e0';

  it('are stored as said, and in no transcript, preamble or prompt of a successor', async () => {
    const agents = rawAgents((message, agent) => {
      if (message.method === 'session/prompt') agent.say(words('it is canary-7f3d', 'm'), words('9a1c55e0, I think', 'm'));
      if (message.method) agent.say(ordinary(message));
    });
    const { host, db } = await hostOf(agents, { secrets: () => value });
    await host.create({ ...CREATE, env: { API_TOKEN: value } });
    await host.prompt('s', [
      { type: 'text', text: 'is it canary-7f' },
      { type: 'text', text: `3d9a1c55e0, or ${value}?` },
    ]);
    const dump =
      JSON.stringify(await db.query('SELECT * FROM acp_session_events')) + JSON.stringify(await db.query('SELECT * FROM acp_sessions'));
    expect(dump).not.toContain(value);
    expect(await host.transcript('s')).not.toContain(value);
    expect(JSON.stringify(await host.previewPreamble('s'))).not.toContain(value);
    await host.close('s');
    await host.prompt('s', 'again');
    const sent = JSON.stringify(agents.heard.filter((message) => message.method === 'session/prompt').at(-1));
    expect(sent).toContain('[secret API_TOKEN]');
    expect(sent).not.toContain(value);
  });
});

describe('a full disk', () => {
  it('storage_full: nothing of the batch is there, and everything can still be read', async () => {
    let full = false;
    const { host } = await hostOf(
      prompted((agent) => agent.say(words('hello'))),
      {},
      (db) => ({
        query: (sql, params) => db.query(sql, params),
        close: () => db.close(),
        batch: async (statements) => {
          if (full) throw new SqlError('full', 'database or disk is full');
          return db.batch(statements);
        },
      }),
    );
    await host.create(CREATE);
    await host.prompt('s', 'go');
    const before = await host.history('s');
    full = true;
    await expect(host.prompt('s', 'more')).rejects.toMatchObject({ code: 'storage_full' });
    await expect(host.create({ ...CREATE, sessionId: 'other' })).rejects.toMatchObject({ code: 'storage_full' });
    expect(await host.history('s')).toEqual(before);
    expect(await host.transcript('s')).toContain('hello');
    expect((await host.list()).sessions.map(({ sessionId }) => sessionId)).toEqual(['s']);
    for await (const event of host.events('s', { after: before.length - 1 })) {
      expect(event.seq).toBe(before.length);
      break;
    }
    full = false;
    expect((await host.prompt('s', 'more')).stopReason).toBe('end_turn');
  });
});
