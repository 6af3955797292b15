/** Events, permissions, settings, secrets: what a host does beside prompting. */
import { describe, expect, it } from 'vitest';
import type { SessionEvent } from '../../../src/engine/index.ts';
import { ask, CWD, PATIENT, said, world } from './helpers.ts';

describe('events', () => {
  it('I2: stored, then live, no gap and no repeat, for a cursor from an earlier host', async () => {
    const { wake } = await world();
    const host = await wake();
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'My name is Ada.');
    const cursor = (await host.history('s')).at(-2)?.seq ?? 0;
    await host.sleep();
    const next = await wake({ limits: { ...PATIENT, subscriberEvents: 3 } });
    const seen: SessionEvent[] = [];
    const following = (async () => {
      for await (const event of next.events('s', { after: cursor })) {
        seen.push(event);
        if (event.seq % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 3));
      }
    })();
    await next.prompt('s', 'stream 60 chunks');
    await next.prompt('s', 'What is my name?');
    await next.sleep();
    await following;
    const stored = await (await wake()).history('s', { after: cursor });
    expect(seen).toEqual(stored);
    expect(seen.map((event) => event.seq)).toEqual(stored.map((_, index) => cursor + 1 + index));
  });

  it('ends when its signal aborts, and for a session that is not there says so', async () => {
    const { wake } = await world();
    const host = await wake();
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    const abort = new AbortController();
    const seen: number[] = [];
    for await (const event of host.events('s', { signal: abort.signal })) {
      seen.push(event.seq);
      abort.abort();
    }
    expect(seen).toEqual([1]);
    await expect(host.events('nobody')[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'session_not_found' });
  });
});

describe('permissions', () => {
  const open = async (host: Awaited<ReturnType<Awaited<ReturnType<typeof world>>['wake']>>, signal: AbortSignal) => {
    for await (const event of host.events('s', { signal })) if (event.kind === 'permission_requested') return event.payload;
    throw new Error('nobody asked');
  };

  /** What the agent says once it has its answer; `Nobody answered, …` where that is `cancelled`. */
  const AFTER = { allow: 'Thank you. I did it.', reject: 'You said no, so I did nothing.' } as const;

  it('ask: request and answer are events; an unknown option is refused and the request stays open', async () => {
    const { wake } = await world();
    const host = await wake();
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    const turn = host.prompt('s', 'ask permission');
    const request = await open(host, AbortSignal.timeout(45_000));
    await expect(host.respondPermission('s', request.requestId, 'nonsense')).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(host.respondPermission('s', 'nobody', 'x')).rejects.toMatchObject({ code: 'invalid_argument' });
    const allow = request.options.find((option) => option.kind === 'allow_once');
    await host.respondPermission('s', request.requestId, allow?.optionId as string);
    const { stopReason, turnId } = await turn;
    expect(stopReason).toBe('end_turn');
    const events = await host.history('s');
    expect(said(events, turnId), 'what the agent made of the answer').toBe(AFTER.allow);
    expect(events.find((event) => event.kind === 'permission_resolved')).toMatchObject({
      payload: { requestId: request.requestId, optionId: allow?.optionId, by: 'person' },
    });
    await expect(host.respondPermission('s', request.requestId, allow?.optionId as string)).rejects.toMatchObject({
      code: 'invalid_argument',
    });
  });

  it.each(['allow', 'reject'] as const)('%s decides by itself', async (permission) => {
    const { wake } = await world();
    const host = await wake({ permission });
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    const words = await ask(host, 's', 'ask permission');
    expect(words, 'what the agent made of the answer').toBe(AFTER[permission]);
    const events = await host.history('s');
    const asked = events.find((event) => event.kind === 'permission_requested');
    const answered = events.find((event) => event.kind === 'permission_resolved');
    const option =
      asked?.kind === 'permission_requested'
        ? asked.payload.options.find((candidate) => candidate.kind === `${permission}_once`)
        : undefined;
    expect(answered).toMatchObject({ payload: { by: 'rule', optionId: option?.optionId } });
  });

  it('one still open when the host sleeps is resolved as cancelled', async () => {
    const { wake } = await world();
    const host = await wake();
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    const turn = host.prompt('s', 'ask permission').catch((error: unknown) => error);
    const request = await open(host, AbortSignal.timeout(45_000));
    await host.sleep();
    expect(await turn).toMatchObject({ code: 'turn_outcome_unknown' });
    const next = await wake();
    expect((await next.history('s')).filter((event) => event.kind === 'permission_resolved')).toMatchObject([
      { payload: { requestId: request.requestId, optionId: null, by: 'end' } },
    ]);
    await expect(next.respondPermission('s', request.requestId, null)).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});

describe('settings', () => {
  it.each(['native', 'load', 'amnesiac'] as const)('mode and options are in force again after a wake of the %s agent', async (variant) => {
    const { wake } = await world(variant);
    const host = await wake();
    const made = await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    const mode = made.modes?.availableModes.find((candidate) => candidate.id !== made.modes?.currentModeId)?.id as string;
    const option = made.configOptions?.find((candidate) => candidate.type === 'select' && candidate.category !== 'mode');
    const value =
      option?.type === 'select'
        ? (option.options as { value: string }[]).find((candidate) => candidate.value !== option.currentValue)?.value
        : undefined;
    await host.setMode('s', mode);
    await host.setConfigOption('s', option?.id as string, value as string);
    await expect(host.setMode('s', 'no such mode')).rejects.toMatchObject({ code: 'invalid_argument' });
    await host.prompt('s', 'My name is Ada.');
    await host.sleep();
    const next = await wake();
    const { report } = await next.prompt('s', 'What is my name?');
    const info = await next.get('s');
    expect(info.modes?.currentModeId, JSON.stringify(report)).toBe(mode);
    expect(info.configOptions?.find((candidate) => candidate.id === option?.id)).toMatchObject({ currentValue: value });
    expect(report.settings.failed).toEqual([]);
    expect(await ask(next, 's', 'settings'), 'as the agent has them').toContain(`Mode: ${mode}. Model: ${value}.`);
  });
});

describe('secrets', () => {
  const value = 'canary-7f3d9a1c55';
  const token = 'files-canary-5b1e0c44d2';
  const header = 'header-canary-88aa77bb';
  const servers = [
    { name: 'files', command: 'mcp-files', args: [], env: [{ name: 'FILES_TOKEN', value: token }] },
    { type: 'http' as const, name: 'web', url: 'https://example.com/mcp', headers: [{ name: 'X-Api-Key', value: header }] },
  ];

  /** What the agent says it has; a value it has not got would be missing, and any other would stand there as it is. */
  const HAS = 'files: FILES_TOKEN=[secret FILES_TOKEN]\nweb: X-Api-Key=[secret X-Api-Key]';

  it('no value reaches the disk, and a missing one is secret_missing by name before anything starts', async () => {
    const { wake, db, agents } = await world();
    const host = await wake();
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's', env: { API_TOKEN: value }, mcpServers: servers });
    expect(await ask(host, 's', `say ${value}, ${token} and ${header}`)).toBe(
      '[secret API_TOKEN], [secret FILES_TOKEN] and [secret X-Api-Key]',
    );
    expect(await ask(host, 's', 'mcp')).toBe(HAS);
    const dump: string[] = [];
    for (const { name } of await db.query(`SELECT name FROM sqlite_schema WHERE type = 'table'`))
      dump.push(JSON.stringify(await db.query(`SELECT * FROM ${String(name)}`)));
    expect(dump.join('\n')).toContain('FILES_TOKEN');
    for (const each of [value, token, header]) expect(dump.join('\n')).not.toContain(each);
    await host.sleep();

    const started = agents.launched;
    const without = await wake();
    await expect(without.prompt('s', 'hello')).rejects.toMatchObject({
      code: 'secret_missing',
      data: { missing: ['API_TOKEN', 'FILES_TOKEN (of MCP server files)', 'X-Api-Key (of MCP server web)'] },
    });
    expect(agents.launched).toBe(started);
    await without.sleep();

    const asked: unknown[] = [];
    const next = await wake({
      secrets: (ref) => {
        asked.push(ref);
        return { env: value, 'mcp-env': token, 'mcp-header': header }[ref.kind];
      },
    });
    const again = await next.prompt('s', 'env API_TOKEN');
    expect(again.report.tier).toBe('resume');
    expect(said(await next.history('s'), again.turnId)).toBe('[secret API_TOKEN]');
    expect(await ask(next, 's', 'mcp')).toBe(HAS);
    expect(asked).toEqual([
      { sessionId: 's', kind: 'env', name: 'API_TOKEN' },
      { sessionId: 's', kind: 'mcp-env', server: 'files', place: { command: 'mcp-files', args: [] }, name: 'FILES_TOKEN' },
      { sessionId: 's', kind: 'mcp-header', server: 'web', place: { url: 'https://example.com/mcp' }, name: 'X-Api-Key' },
    ]);
  });
});

describe('records', () => {
  it('list pages through, newest first; delete takes everything along; what is not there says so', async () => {
    const { wake, db } = await world();
    let now = 1_000;
    const host = await wake({ clock: () => now++ });
    for (const sessionId of ['a', 'b', 'c']) await host.create({ agent: 'demo', cwd: CWD, sessionId });
    const first = await host.list({ limit: 2 });
    const second = await host.list({ limit: 2, cursor: first.nextCursor as string });
    expect([...first.sessions, ...second.sessions].map((session) => session.sessionId)).toEqual(['c', 'b', 'a']);
    expect(second.nextCursor).toBeUndefined();
    await expect(host.list({ cursor: 'nonsense' })).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(host.create({ agent: 'demo', cwd: CWD, sessionId: 'a' })).rejects.toMatchObject({ code: 'session_exists' });
    await host.prompt('a', 'My name is Ada.');
    await host.delete('a');
    await expect(host.get('a')).rejects.toMatchObject({ code: 'session_not_found' });
    for (const table of ['acp_sessions', 'acp_session_events', 'acp_turns', 'acp_agent_sessions']) {
      expect(await db.query(`SELECT * FROM ${table} WHERE session_id = 'a'`)).toEqual([]);
    }
    await expect(host.prompt('nobody', 'hello')).rejects.toMatchObject({ code: 'session_not_found' });
    await expect(host.create({ agent: 'demo', cwd: 'relative', sessionId: 'd' })).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it('a newer database is refused untouched', async () => {
    const { wake, db } = await world();
    const host = await wake();
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'My name is Ada.');
    await host.sleep();
    await db.batch([{ sql: 'PRAGMA user_version = 99' }]);
    const everything = async () => {
      const schema = await db.query('SELECT type, name, sql FROM sqlite_schema ORDER BY type, name');
      const tables = schema.filter(({ type }) => type === 'table').map(({ name }) => String(name));
      const rows = await Promise.all(tables.map(async (name) => [name, await db.query(`SELECT * FROM ${name}`)]));
      return { version: await db.query('PRAGMA user_version'), schema, rows };
    };
    const before = await everything();
    expect(JSON.stringify(before)).toContain('My name is Ada.');
    await expect(wake()).rejects.toMatchObject({ code: 'database_too_new', data: { version: 99 } });
    expect(await everything()).toEqual(before);
  });

  it('get, list, history, transcript and previewPreamble start no agent', async () => {
    const { wake, agents } = await world();
    const host = await wake();
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'My name is Ada.');
    await host.sleep();
    const next = await wake();
    await next.get('s');
    await next.list();
    await next.history('s', { limit: 1 });
    expect(await next.transcript('s')).toContain('Ada');
    expect(JSON.stringify(await next.previewPreamble('s'))).toContain('Ada');
    expect((await next.previewPreamble('s', { mode: 'inline' })).map((block) => block.type)).toEqual(['text']);
    expect(agents.launched).toBe(1);
  });
});
