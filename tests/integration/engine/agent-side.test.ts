/** What a host gives those who serve it on: the agent’s description, its requests to whoever prompts, extensions both ways. */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sameDirectory } from '../../../src/adapters/node-host/index.ts';
import { createHost, type ClientServices, type Host } from '../../../src/engine/index.ts';
import { CWD, hostOf, PATIENT, until } from './helpers.ts';
import { ordinary, rawAgents, update, type Heard } from './raw-agent.ts';

const FS = { fs: { readTextFile: true, writeTextFile: false } };
function client(name: string, capabilities: object = FS) {
  const asked: { method: string; params: unknown; sessionId: string }[] = [];
  const told: unknown[] = [];
  const released: string[] = [];
  const services: ClientServices = {
    capabilities: capabilities as Record<string, unknown>,
    async handle({ method, params, sessionId }) {
      asked.push({ method, params, sessionId });
      return { content: name };
    },
    notify: (notification) => void told.push(notification),
    release: async (sessionId) => void released.push(sessionId),
  };
  return { services, asked, told, released };
}

function agents(extra: (message: Heard, say: (...messages: unknown[]) => void) => boolean = () => false, capabilities: object = {}) {
  return rawAgents((message: Heard, agent) => {
    if (extra(message, (...messages) => agent.say(...messages))) return;
    if (message.method === 'initialize')
      return agent.say({
        jsonrpc: '2.0',
        id: message.id,
        result: {
          protocolVersion: 1,
          agentInfo: { name: 'raw', version: '7' },
          agentCapabilities: { promptCapabilities: { image: true }, ...capabilities },
          authMethods: [{ id: 'browser', name: 'Browser' }],
        },
      });
    if (message.method === 'session/prompt')
      agent.say({ jsonrpc: '2.0', id: 'f', method: 'fs/read_text_file', params: { sessionId: 'raw-1', path: '/x' } });
    if (message.method) agent.say(ordinary(message));
  });
}
const count = (heard: readonly Heard[], method: string) => heard.filter((message) => message.method === method).length;

describe('describeAgent', () => {
  it('starts the agent once; that process becomes the first session’s', async () => {
    const raw = agents();
    const { host } = await hostOf(raw);
    const description = await host.describeAgent('raw');
    expect(description).toEqual({
      agent: 'raw',
      protocolVersion: 1,
      info: { name: 'raw', version: '7' },
      capabilities: { promptCapabilities: { image: true } },
      authMethods: [{ id: 'browser', name: 'Browser' }],
    });
    expect(await host.describeAgent('raw')).toEqual(description);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    expect((await host.prompt('s', 'go')).stopReason).toBe('end_turn');
    expect(count(raw.heard, 'initialize')).toBe(1);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 't' });
    expect(count(raw.heard, 'initialize')).toBe(2);
  });

  it('what a session waits for its introduction is the agent’s time', async () => {
    const { promise: asked, resolve: heard } = Promise.withResolvers<() => void>();
    const raw = agents((message, say) => {
      if (message.method !== 'initialize') return false;
      heard(() => say({ jsonrpc: '2.0', id: message.id, result: { protocolVersion: 1 } }));
      return true;
    });
    const { host } = await hostOf(raw);
    const described = host.describeAgent('raw');
    const introduce = await asked;
    const created = host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await sleep(500);
    introduce();
    await created;
    const { report } = await host.prompt('s', 'go');
    expect(report.ms).toBeGreaterThanOrEqual(report.agentMs);
    // Most of it; how soon the session began to wait is the machine's affair.
    expect(report.agentMs).toBeGreaterThan(100);
    await described;
  });

  it('not for a session with an environment of its own, nor for one whose client can do other things', async () => {
    const raw = agents();
    const { host } = await hostOf(raw);
    await host.describeAgent('raw');
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's', env: { A: 'value-of-a' } });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 't', client: client('one').services });
    expect(count(raw.heard, 'initialize')).toBe(3);
  });

  it('not for a session whose directory is gone: only one that is started there can say so', async () => {
    const raw = agents();
    const { host } = await hostOf(raw, { directoryExists: (directory) => directory === CWD });
    await host.describeAgent('raw');
    await host.create({ agent: 'raw', cwd: '/gone', sessionId: 's' });
    expect(count(raw.heard, 'initialize')).toBe(2);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 't' });
    expect(count(raw.heard, 'initialize')).toBe(2);
  });

  it('I7: sleep ends it, and so does idleMs', async () => {
    let living = 0;
    const raw = agents();
    const counted = {
      async launch(...args: Parameters<typeof raw.launch>) {
        const agent = await raw.launch(...args);
        living += 1;
        void agent.exited.then(() => (living -= 1));
        return agent;
      },
    };
    const { host } = await hostOf(counted, { limits: { ...PATIENT, idleMs: 40 } });
    await host.describeAgent('raw');
    expect(living).toBe(1);
    await until(() => living === 0);
    const { host: other } = await hostOf(counted);
    await other.describeAgent('raw');
    await other.sleep();
    expect(living).toBe(0);
  });
});

describe('what the agent asks', () => {
  it('goes to the client of the latest operation, under the host’s session id, and is advertised as that client can do it', async () => {
    const raw = agents();
    const [one, two] = [client('one'), client('two')];
    const { host } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's', client: one.services });
    await host.prompt('s', 'go');
    await host.prompt('s', 'go', { client: two.services });
    await until(() => two.asked.length === 1);
    expect(one.asked).toEqual([{ method: 'fs/read_text_file', params: { sessionId: 's', path: '/x' }, sessionId: 's' }]);
    expect(two.asked).toHaveLength(1);
    expect(raw.heard.find(({ method }) => method === 'initialize')?.params).toMatchObject({ clientCapabilities: FS });
    await host.close('s');
    expect([one.released, two.released]).toEqual([['s'], ['s']]);
  });

  it.each([
    ['later', () => Promise.reject(new Error('the terminal stays'))],
    [
      'at once',
      () => {
        throw new Error('the terminal stays');
      },
    ],
  ])('a client that cannot let go, told %s, hides neither why the agent ended nor keeps the others from it', async (_when, release) => {
    // prettier-ignore
    const raw = agents(({ id, method, params }, say) => {
      if (method === 'session/new' && params?.['cwd'] === '/refused') say({ jsonrpc: '2.0', id, error: { code: -32603, message: 'no room' } });
      return method === 'session/new' && params?.['cwd'] === '/refused';
    });
    const [one, two] = [client('one'), client('two')];
    const stuck = { ...one.services, release };
    const { host } = await hostOf(raw);
    const refused = host.create({ agent: 'raw', cwd: '/refused', sessionId: 'r', client: stuck });
    await expect(refused).rejects.toMatchObject({ code: 'agent_protocol_error', message: expect.stringContaining('no room') as string });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's', client: stuck });
    await host.prompt('s', 'go', { client: two.services });
    await host.close('s');
    expect(two.released).toEqual(['s']);
    await host.sleep();
  });

  it('extension notifications reach it too; they are no part of the log. An update without one does not (I2)', async () => {
    const raw = agents((message, say) => {
      if (message.method === 'session/prompt')
        say(
          { jsonrpc: '2.0', method: 'session/update', params: { sessionId: 'raw-1' } },
          { jsonrpc: '2.0', method: '_auth/status', params: { sessionId: 'raw-1', ok: true } },
        );
      return false;
    });
    const one = client('one');
    const { host } = await hostOf(raw, { client: one.services });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'go');
    expect(one.told).toEqual([{ method: '_auth/status', params: { sessionId: 's', ok: true }, sessionId: 's' }]);
  });
});

describe('request and notify', () => {
  it.each(['session/prompt', 'session/delete', 'authenticate'])('I1: %s is the host’s own: nothing reaches the agent', async (method) => {
    const raw = agents();
    const { host } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const refused = { code: 'invalid_argument', data: { method } };
    await expect(host.request('s', method, { sessionId: 's' })).rejects.toMatchObject(refused);
    expect(() => host.notify('s', method, { sessionId: 's' })).toThrow(expect.objectContaining(refused));
    expect(count(raw.heard, method)).toBe(0);
  });

  const answering = () =>
    agents((message, say) => {
      if (message.method === '_fork')
        say({ jsonrpc: '2.0', id: message.id, result: { sessionId: message.params?.['sessionId'], of: { sessionId: 'raw-1' } } });
      else if (message.method === '_fail')
        say({ jsonrpc: '2.0', id: message.id, error: { code: -32099, message: 'no', data: { details: 'because' } } });
      else return message.method === '_told';
      return true;
    });

  it('the live agent gets them, session ids exchanged both ways; its error comes as it is', async () => {
    const raw = answering();
    const { host } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    expect(await host.request('s', '_fork', { sessionId: 's', n: 1 })).toEqual({ sessionId: 's', of: { sessionId: 's' } });
    expect(raw.heard.find(({ method }) => method === '_fork')?.params).toEqual({ sessionId: 'raw-1', n: 1 });
    await expect(host.request('s', '_fail', {})).rejects.toMatchObject({
      code: 'agent_protocol_error',
      data: { error: { code: -32099, message: 'no', data: { details: 'because' } } },
    });
    host.notify('s', '_told', { sessionId: 's' });
    await until(() => count(raw.heard, '_told') === 1);
    expect(raw.heard.find(({ method }) => method === '_told')?.params).toEqual({ sessionId: 'raw-1' });
    await host.close('s');
    host.notify('s', '_told', { sessionId: 's' });
    expect(await host.request('s', '_fork', {})).toBeDefined();
    expect(count(raw.heard, '_told')).toBe(1);
  });
});

describe('the agent’s own session', () => {
  it.each([
    ['close', 'session/close'],
    ['delete', 'session/delete'],
  ] as const)('%s calls its %s where it has it', async (how, method) => {
    const raw = agents(undefined, { sessionCapabilities: { close: {}, delete: {} } });
    const { host } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host[how]('s');
    expect(raw.heard.filter((message) => message.method === method).map(({ params }) => params)).toEqual([{ sessionId: 'raw-1' }]);
  });

  it.each([
    ['a process of another session', (host: Host) => host.create({ agent: 'raw', cwd: CWD, sessionId: 'other' }), true],
    ['an idle process', (host: Host) => host.describeAgent('raw'), true],
    ['no process', async () => {}, false],
  ])('deletes it, too, when the session sleeps and the agent has %s: none is started', async (_, start, told) => {
    let made = 0;
    const raw = agents(
      (message, say) => {
        if (message.method !== 'session/new') return false;
        say({ jsonrpc: '2.0', id: message.id, result: { sessionId: `raw-${++made}` } });
        return true;
      },
      { sessionCapabilities: { delete: {} } },
    );
    const { host, db } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.sleep();
    const next = await createHost({ database: db, agents: raw, limits: PATIENT });
    onTestFinished(() => next.sleep());
    await start(next);
    const starts = count(raw.heard, 'initialize');
    await next.delete('s');
    expect(raw.heard.filter(({ method }) => method === 'session/delete').map(({ params }) => params)).toEqual(
      told ? [{ sessionId: 'raw-1' }] : [],
    );
    expect(count(raw.heard, 'initialize')).toBe(starts);
  });

  it('one that does not answer to that holds nobody up', async () => {
    const raw = agents((message) => message.method === 'session/close', { sessionCapabilities: { close: {} } });
    const { host } = await hostOf(raw, { limits: { ...PATIENT, settingMs: 50 } });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.close('s');
    expect((await host.get('s')).state).toBe('asleep');
  });
});

describe('noise', () => {
  const COMMANDS = { sessionUpdate: 'available_commands_update', availableCommands: [{ name: 'plan', description: 'Plans' }] };
  const TITLE = { sessionUpdate: 'session_info_update', title: 'A talk' };

  it('state that says nothing new is stored once, also over wakes; one without a title says nothing', async () => {
    const raw = agents(
      (message, say) => {
        if (message.method === 'session/prompt')
          say(update(COMMANDS), update(TITLE), update({ sessionUpdate: 'session_info_update', updatedAt: '2026-01-01' }));
        return false;
      },
      { sessionCapabilities: { resume: {} } },
    );
    const { host } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    for (let i = 0; i < 3; i++) {
      await host.prompt('s', 'go');
      await host.prompt('s', 'go');
      await host.close('s');
    }
    const kinds = (await host.history('s')).flatMap((event) =>
      event.kind === 'update' && event.origin === 'agent' ? [event.payload.sessionUpdate] : [],
    );
    expect(kinds).toEqual(['available_commands_update', 'session_info_update']);
    expect((await host.get('s')).title).toBe('A talk');
  });

  it.each([
    { currentModeId: 'a', availableModes: [{ id: 'a', name: 'A' }] },
    { availableModes: [{ id: 'a', name: 'A' }], currentModeId: 'a' },
  ])('a mode that is as it was is no event after a wake, in whatever order it is written: %j', async (modes) => {
    const raw = agents(
      ({ method, id }, say) => {
        if (method === 'session/prompt') say(update({ sessionUpdate: 'current_mode_update', currentModeId: 'a' }));
        if (method !== 'session/new' && method !== 'session/resume') return false;
        say({ jsonrpc: '2.0', id, result: { sessionId: 'raw-1', modes } });
        return true;
      },
      { sessionCapabilities: { resume: {} } },
    );
    const { host } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    for (let i = 0; i < 2; i++) {
      await host.prompt('s', 'go');
      await host.close('s');
    }
    expect(JSON.stringify(await host.history('s'))).not.toContain('current_mode_update');
    expect((await host.get('s')).modes?.currentModeId).toBe('a');
  });

  it('after a fallback, a title made of our preamble is not the session’s', async () => {
    const raw = agents((message, say) => {
      if (message.method === 'session/prompt') {
        const first = (message.params?.['prompt'] as { text: string }[])[0]!.text;
        say(update({ sessionUpdate: 'session_info_update', title: `${first.slice(0, 40)}…` }));
      }
      return false;
    });
    const { host } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'Tell me about herons, please');
    expect((await host.get('s')).title).toBe('Tell me about herons, please…');
    await host.close('s');
    expect((await host.prompt('s', 'And egrets?')).report.tier).toBe('transcript');
    expect((await host.get('s')).title).toBe('Tell me about herons, please…');
  });
});

describe('invalid_argument, by name', () => {
  it('unknown options and forgotten awaits, in every call', async () => {
    const { host } = await hostOf(agents());
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const odd = { nonsense: 1 } as never;
    const promise = Promise.resolve('s') as never;
    const calls: Record<string, () => unknown> = {
      create: () => host.create({ agent: 'raw', cwd: CWD, ...(odd as object) }),
      prompt: () => host.prompt('s', 'go', odd),
      resume: () => host.resume('s', odd),
      previewPreamble: () => host.previewPreamble('s', odd),
      list: () => host.list(odd),
      history: () => host.history('s', odd),
      events: () => host.events('s', odd)[Symbol.asyncIterator]().next(),
      transcript: () => host.transcript('s', odd),
      describeAgent: () => host.describeAgent('raw', odd),
      request: () => host.request('s', '_x', {}, odd),
    };
    for (const [name, call] of Object.entries(calls))
      await expect(Promise.resolve().then(call), name).rejects.toMatchObject({
        code: 'invalid_argument',
        message: expect.stringContaining('nonsense') as string,
      });
    const awaits: Record<string, () => unknown> = {
      prompt: () => host.prompt(promise, 'go'),
      content: () => host.prompt('s', promise),
      get: () => host.get(promise),
      close: () => host.close(promise),
      delete: () => host.delete(promise),
      cancel: () => host.cancel(promise),
      setMode: () => host.setMode('s', promise),
    };
    for (const [name, call] of Object.entries(awaits))
      await expect(Promise.resolve().then(call), name).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(host.create({ agent: 'raw' } as never)).rejects.toThrow('cwd must be an absolute path; it is missing.');
    await expect(host.create({ agent: 'raw', cwd: '/no\0pe' })).rejects.toThrow('cwd must be an absolute path');
  });
});

describe('an answer that went astray', () => {
  it('updates that all name another session: the turn failed, and says why', async () => {
    const raw = agents((message, say) => {
      if (message.method === 'session/prompt')
        say(update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: 'Hi' } }, { sessionId: 'raw-9' }));
      return false;
    });
    const { host } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await expect(host.prompt('s', 'go')).rejects.toMatchObject({
      code: 'agent_protocol_error',
      message: expect.stringContaining('raw-9') as string,
    });
  });
});

describe('the same directory by another path is the same', () => {
  it('where the host can follow links', async () => {
    const base = mkdtempSync(`${tmpdir()}/rehydrate-open-`);
    const link = `${base}-link`;
    symlinkSync(base, link);
    onTestFinished(() => {
      rmSync(link);
      rmSync(base, { recursive: true });
    });
    const asked: string[] = [];
    const { host } = await hostOf(agents(), { sameDirectory: (a, b) => (asked.push(a), sameDirectory(a, b)) });
    await host.create({ agent: 'raw', cwd: base, sessionId: 's' });
    expect(await host.open('s', { agent: 'raw', cwd: link })).toMatchObject({ sessionId: 's', cwd: base });
    await expect(host.open('s', { agent: 'raw', cwd: tmpdir() })).rejects.toMatchObject({ code: 'invalid_argument' });
    expect(await host.fork('s', { cwd: link })).toMatchObject({ cwd: base });

    for (const [sessionId, cwd] of Object.entries({ t: link, u: tmpdir(), v: `${base}/.` }))
      await host.create({ agent: 'raw', cwd, sessionId });
    asked.length = 0;
    for (const cwd of [base, link, `${link}/./`]) {
      const pages = [await host.list({ cwd, limit: 2 })];
      for (let cursor; (cursor = pages.at(-1)?.nextCursor);) pages.push(await host.list({ cwd, limit: 2, cursor }));
      const ids = pages.flatMap(({ sessions }) => sessions.map(({ sessionId }) => sessionId));
      expect([pages.length, ids.length, ids]).toEqual([2, 4, expect.arrayContaining(['s', 't', 'v'])]);
    }
    // Each directory of the record is looked at once for a page, however many sessions have it.
    expect(asked).toHaveLength(2 * (2 + 3 + 3));
  });

  it('and by its text elsewhere', async () => {
    const { host } = await hostOf(agents());
    await host.create({ agent: 'raw', cwd: '/d/p', sessionId: 's' });
    for (const [cwd, found] of [
      ['/d/p/', 1],
      ['/d/./p', 1],
      ['/d//p/.', 1],
      ['/d/x/../p', 0],
      ['/d', 0],
      ['/D/p', 0],
    ] as const)
      expect([cwd, (await host.list({ agent: 'raw', cwd })).sessions.length]).toEqual([cwd, found]);
    expect(await host.open('s', { agent: 'raw', cwd: '/d/p/' })).toMatchObject({ cwd: '/d/p' });
  });
});

describe('the agent’s own sessions', () => {
  const listing = (sessions: unknown[]) =>
    agents(
      (message, say) => {
        if (message.method === 'session/list') say({ jsonrpc: '2.0', id: message.id, result: { sessions } });
        return message.method === 'session/list';
      },
      { loadSession: true, sessionCapabilities: { list: {}, resume: {} } },
    );

  it('what its list says in other types than text is left out', async () => {
    const { host } = await hostOf(listing([{ sessionId: 'raw-1', cwd: 7, title: 5, updatedAt: {} }]));
    expect((await host.agentSessions({ agent: 'raw', cwd: CWD })).sessions).toEqual([
      { agentSessionId: 'raw-1', sessionId: null, cwd: CWD, title: null, updatedAt: null },
    ]);
  });

  it('I4: one that its complete list lacks is none, although a load of it is answered with success', async () => {
    const { host } = await hostOf(listing([]));
    const { sessionId } = await host.adopt({ agent: 'raw', agentSessionId: 'mistyped', cwd: CWD });
    await expect(host.resume(sessionId)).rejects.toMatchObject({ code: 'session_not_resumable' });
  });
});
