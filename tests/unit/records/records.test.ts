/** Sessions as things to work with: found, copied, carried elsewhere. On every store there is, and on one without full text. */
import initSqlJs from 'sql.js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { openSqljs } from '../../../src/adapters/sqljs/index.ts';
import { createHost, type Host } from '../../../src/engine/index.ts';
import { SqlError, type SqlDatabase } from '../../../src/engine/ports.ts';
import { finishDeletes } from '../../../src/engine/records/delete.ts';
import { copySession } from '../../../src/engine/records/fork.ts';
import { exportLines, importLines } from '../../../src/engine/records/portable.ts';
import { forgetInSearch, search, tokens } from '../../../src/engine/records/search.ts';
import { migrate } from '../../../src/engine/storage/schema.ts';
import { insertEvent, type NewEvent } from '../../../src/engine/storage/statements.ts';
import { createThoroughRedactor } from '../../../src/engine/transcript/redact-thorough.ts';
import { createStore } from '../../../src/engine/storage/store.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';

const sqljs = await initSqlJs();

/** The same, without any module for full text. */
const without = (db: SqlDatabase): SqlDatabase => ({
  query: (sql, params) => db.query(sql, params),
  batch: (statements) =>
    statements.some(({ sql }) => /fts/.test(sql)) ? Promise.reject(new SqlError('other', 'no such module')) : db.batch(statements),
  close: () => db.close(),
});

const STORES: readonly (readonly [string, () => Promise<SqlDatabase>])[] = [
  ['node:sqlite (FTS5)', () => openNodeSqlite(':memory:')],
  ['sql.js (FTS4)', () => openSqljs({ module: sqljs as never })],
  ['a store without full text', async () => without(await openNodeSqlite(':memory:'))],
];

let clock = 1_000;
const say = (who: 'user' | 'agent', text: string, turnId: string, messageId?: string): NewEvent => ({
  kind: 'update',
  turnId,
  at: (clock += 1),
  origin: who === 'user' ? 'host' : 'agent',
  payload: { sessionUpdate: `${who}_message_chunk`, content: { type: 'text', text }, ...(messageId ? { messageId } : {}) } as never,
});
const started = (turnId: string): NewEvent => ({ kind: 'turn_started', turnId, at: (clock += 1), origin: 'host', payload: {} });
const ended = (turnId: string): NewEvent => ({
  kind: 'turn_ended',
  turnId,
  at: (clock += 1),
  origin: 'host',
  payload: { state: 'completed', stopReason: 'end_turn' },
});
/** What the agent asks, and the answer. */
const question = (turnId: string): NewEvent[] => [
  {
    ...{ kind: 'permission_requested', turnId, at: (clock += 1), origin: 'agent' },
    payload: { requestId: 'q', toolCall: { toolCallId: 'c' }, options: [] },
  },
  {
    ...{ kind: 'permission_resolved', turnId, at: (clock += 1), origin: 'host' },
    payload: { requestId: 'q', optionId: 'yes', by: 'person' },
  },
];
const turn = (turnId: string, question: string, ...answer: string[]): NewEvent[] => [
  started(turnId),
  say('user', question, turnId),
  ...answer.map((text) => say('agent', text, turnId, `m-${turnId}`)),
  ended(turnId),
];

async function put(db: SqlDatabase, sessionId: string, events: readonly NewEvent[]): Promise<void> {
  const [row] = await db.query('SELECT latest_seq FROM acp_sessions WHERE session_id = ?', [sessionId]);
  const from = Number(row?.['latest_seq'] ?? 0);
  await db.batch([
    {
      sql: `INSERT OR IGNORE INTO acp_sessions (session_id, agent, cwd, additional_directories, mcp_servers, env_names, latest_seq, lease_generation, created_at, updated_at)
VALUES (?, 'demo', '/project', '[]', '[{"name":"notes","command":"/bin/notes","args":[],"env":[{"name":"KEY","value":""}]}]', '["TOKEN"]', 0, 1, ?, ?)`,
      params: [sessionId, (clock += 1), clock],
    },
    ...events.map((event, index) => insertEvent(sessionId, from + index + 1, event)),
    ...events
      .filter((event) => event.kind === 'turn_started')
      .map((event) => ({
        sql: `INSERT INTO acp_turns (turn_id, session_id, content_hash, state, report, first_seq) VALUES (?, ?, 'h', 'completed', '{}', ?)`,
        params: [event.turnId, sessionId, from + events.indexOf(event) + 1],
      })),
    { sql: 'UPDATE acp_sessions SET latest_seq = ? WHERE session_id = ?', params: [from + events.length, sessionId] },
  ]);
}

const MAKER = { self: JSON.stringify({ hostId: 'maker', kind: 'test' }), clock: () => 9, leaseMs: 100 };

/** Another host, to which the maker is dead unless it is said otherwise. */
const other = (db: SqlDatabase, { alive = false as boolean | 'unknown', now = 9, self = 'other' } = {}) => ({
  config: { database: db, preambleFiles: undefined, ownerAlive: async () => alive, clock: () => now, limits: MAKER },
  ...{ store: createStore(db), self },
});

/** Removes what is hidden under an id, as a host does. */
const remove = (db: SqlDatabase, sessionId: string, deletedAt?: number) => finishDeletes(other(db), { sessionId, deletedAt });

interface Chunk {
  readonly content: { readonly text: string };
}

const all = async (lines: AsyncIterable<string>): Promise<string[]> => {
  const read: string[] = [];
  for await (const line of lines) read.push(line);
  return read;
};
const linesOf = (db: SqlDatabase, sessionId: string, redact = (text: string) => text) => all(exportLines(db, sessionId, redact));
const withServers = (header: string, servers: readonly unknown[]): string => {
  const { session, ...rest } = JSON.parse(header) as { session: object };
  return JSON.stringify({ ...rest, session: { ...session, mcp_servers: servers } });
};
const take = (db: SqlDatabase, lines: readonly string[] | AsyncIterable<string>, sessionId?: string) => {
  let id = 0;
  return importLines(lines, {
    db,
    store: createStore(db),
    sessionId,
    maker: MAKER,
    newId: () => `new-${(id += 1)}`,
    remove: (each, deletedAt) => remove(db, each, deletedAt),
  });
};

describe.each(STORES)('on %s', (named, open) => {
  const opened = async () => {
    const db = await open();
    await migrate(db);
    return { db, store: createStore(db) };
  };

  describe('while a session is imported under the id of one that a killed host was deleting', () => {
    /** The deleted session's lines, and a host that finishes the delete and stands before its next batch until `go`. */
    async function finishing() {
      const { db } = await opened();
      await put(db, 'a', turn('t1', 'Who?', 'I'));
      const lines = await linesOf(db, 'a');
      await db.batch([{ sql: `UPDATE acp_sessions SET deleted_at = 3 WHERE session_id = 'a'` }]);
      const [stands, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const slow: SqlDatabase = {
        query: (sql, params) => db.query(sql, params),
        batch: async (statements) => {
          stands.resolve();
          await gate.promise;
          return db.batch(statements);
        },
        close: () => db.close(),
      };
      const finished = finishDeletes(other(slow));
      await stands.promise;
      return { db, lines, go: () => (gate.resolve(), finished) };
    }

    it('I12: another host finishes that delete, and nothing of the new one goes', async () => {
      const { db, lines, go } = await finishing();
      const halfway = async function* () {
        yield lines[0]!;
        await go();
        yield* lines.slice(1);
      };
      expect(await take(db, halfway())).toBe('a');
      expect((await linesOf(db, 'a')).filter((line) => line.startsWith('{"event"'))).toHaveLength(4);
    });

    it.each([
      ['while its maker lives', { alive: true }, true],
      ['while nobody knows of its maker, for one lease', { alive: 'unknown', now: 108 }, true],
      ['by its own host', { self: MAKER.self }, true],
      ['when its maker is dead', {}, false],
      ['when its lease was not renewed', { alive: true, now: 109 }, false],
      ['when its lease is of a clock that was ahead', { alive: 'unknown', now: -9 }, false],
    ] as const)('I9: one that is being made is no left-over %s', async (_, by, stays) => {
      const { db, lines, go } = await finishing();
      await go();
      const halfway = async function* () {
        yield lines[0]!;
        await finishDeletes(other(db, by), {});
        yield* lines.slice(1);
      };
      const made = take(db, halfway());
      if (stays) expect(await made).toBe('a');
      else await expect(made).rejects.toMatchObject({ code: 'storage_unavailable' });
      expect(await db.query('SELECT lease_owner FROM acp_sessions')).toEqual(stays ? [{ lease_owner: null }] : []);
    });

    it('one that takes the new one for a left-over is said to have done so, and what the next makes stays', async () => {
      const { db, lines, go } = await finishing();
      await go();
      const halfway = async function* () {
        yield lines[0]!;
        await remove(db, 'a');
        yield* lines.slice(1);
      };
      await expect(take(db, halfway())).rejects.toMatchObject({
        code: 'storage_unavailable',
        message: expect.stringContaining('Try again'),
      });
      expect(await take(db, lines)).toBe('a');
    });
  });

  it('search finds messages by the beginnings of their words, the latest first, whoever said them', async () => {
    const { db, store } = await opened();
    await put(db, 'a', turn('t1', 'Wie heißt die Katze?', 'Sie heißt Mi', 'ette, glaube ich.'));
    await put(db, 'b', turn('t2', 'miette again', 'nothing'));
    const found = await search(db, store, 'MIÉTTE', {});
    expect(found.hits.map(({ sessionId, seq, role }) => [sessionId, seq, role])).toEqual([
      ['b', 2, 'user'],
      ['a', 3, 'agent'],
    ]);
    expect(found.hits[1]?.snippet).toBe('Sie heißt Miette, glaube ich.');
    expect((await search(db, store, 'miette glaub', {})).hits).toHaveLength(1);
    expect((await search(db, store, 'miette', { sessionId: 'b' })).hits).toHaveLength(1);
    expect((await search(db, store, 'iette', {})).hits).toEqual([]);
    expect((await search(db, store, '"miette" OR -x*', {})).hits).toEqual([]);
  });

  it.each([
    ['Korean', '한국어로 말해 줘', ['한국어', '한국', '말해'], ['국어']],
    ['Thai', 'สวัสดี ครับ', ['สวัสดี', 'ครับ'], ['ดี']],
    ['Arabic', 'مرحبا بالعالم', ['مَرْحَبًا', 'بال'], ['حبا']],
    ['Hindi', 'नमस्ते दुनिया', ['नमस्ते', 'दुनि'], ['स्ते']],
    ['Japanese', 'ログを見て、直す', ['ログ', '直'], ['を見']],
    ['Greek', 'Ο ΛΟΓΟΣ του', ['λόγος', 'λογοσ'], ['ογος']],
    ['German', 'Die Straße', ['STRASSE', 'straß'], ['asse']],
    ['Turkish', 'İstanbul', ['istanbul', 'İST'], ['stanbul']],
    ['letters beyond the first plane', '𝒳yz 𐐀bc', ['𝒳yz', '𐐨'], ['yz']],
    ['words of code', 'foo_bar.baz(42)', ['foo', 'bar', 'baz 42'], ['oo', 'az']],
  ])('words of %s', async (_, text, found, not) => {
    const { db, store } = await opened();
    await put(db, 'a', turn('t1', text, 'Nothing'));
    for (const words of found) expect((await search(db, store, words, {})).hits, words).toMatchObject([{ seq: 2 }]);
    for (const words of not) expect((await search(db, store, words, {})).hits, words).toEqual([]);
  });

  it('what was said since is found by the next search; what was deleted is not', async () => {
    const { db, store } = await opened();
    await put(db, 'a', turn('t1', 'heron one', 'yes'));
    expect((await search(db, store, 'heron', {})).hits).toHaveLength(1);
    await put(db, 'a', [...turn('t2', 'heron two', 'yes'), started('t3'), say('user', 'heron three', 't3'), say('agent', 'her', 't3')]);
    expect((await search(db, store, 'heron', {})).hits.map(({ snippet }) => snippet)).toEqual(['heron three', 'heron two', 'heron one']);
    await put(db, 'a', [say('agent', 'on four', 't3'), ended('t3')]);
    expect((await search(db, store, 'heron four', {})).hits).toHaveLength(1);
    await db.batch([{ sql: `UPDATE acp_sessions SET deleted_at = 1 WHERE session_id = 'a'` }]);
    await remove(db, 'a');
    await forgetInSearch(db, 'a');
    expect((await search(db, store, 'heron', {})).hits).toEqual([]);
    // Another session of the same id.
    await put(db, 'a', turn('t4', 'egret', 'yes'));
    expect((await search(db, store, 'egret', {})).hits).toHaveLength(1);
    expect((await search(db, store, 'heron', {})).hits).toEqual([]);
  });

  it('what was said last is found although nothing ends it, and once when something does', async () => {
    const { db, store } = await opened();
    const hits = async (words: string) => (await search(db, store, words, {})).hits;
    await put(db, 's', [say('user', 'Where is the heron?', 't'), say('agent', 'The heron ', 't', 'm')]);
    expect(await hits('heron')).toHaveLength(2);
    await put(db, 's', [say('agent', 'flew away.', 't', 'm')]);
    expect((await hits('flew')).map(({ snippet }) => snippet)).toEqual(['The heron flew away.']);
    await put(db, 's', [ended('t')]);
    expect((await hits('flew')).map(({ snippet }) => snippet)).toEqual(['The heron flew away.']);
  });

  it('search in pages gives each hit once', async () => {
    const { db, store } = await opened();
    for (const id of ['a', 'b', 'c']) await put(db, id, Array.from({ length: 7 }, (_, i) => turn(`${id}${i}`, `word ${i}`, 'x')).flat());
    const seen: string[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await search(db, store, 'word', { limit: 4, ...(cursor === undefined ? {} : { cursor }) });
      seen.push(...page.hits.map(({ sessionId, seq }) => `${sessionId}:${seq}`));
      cursor = page.nextCursor;
      if (cursor === undefined) break;
    }
    expect(seen).toHaveLength(21);
    expect(new Set(seen).size).toBe(21);
  });

  it('… also one that is said last, and is ended between two pages', async () => {
    const { db, store } = await opened();
    const hits = async (cursor?: string) => {
      const { hits: found, nextCursor } = await search(db, store, 'word', { limit: 1, ...(cursor === undefined ? {} : { cursor }) });
      return { found: found.map(({ sessionId, seq }) => `${sessionId}:${seq}`), nextCursor };
    };
    // All in one millisecond, as what an agent replays is stored.
    const at = clock;
    const replayed = (...events: NewEvent[]) => events.map((event) => ({ ...event, at }));
    await put(db, 'a', replayed(...turn('t1', 'word 1', 'x'), ...turn('t2', 'word 2', 'x')));
    await hits();
    await put(db, 'a', replayed(say('agent', 'a word', 't2')));
    await put(db, 'b', replayed(say('agent', 'a word', 't3')));
    const first = await hits();
    await put(db, 'a', [ended('t2')]);
    await put(db, 'b', [ended('t3')]);
    const seen = [...first.found];
    for (let cursor = first.nextCursor; cursor !== undefined;) {
      const page = await hits(cursor);
      seen.push(...page.found);
      cursor = page.nextCursor;
    }
    expect(seen.toSorted()).toEqual(['a:2', 'a:6', 'a:9', 'b:1']);
    expect(seen.filter((hit) => hit.startsWith('a'))).toEqual(['a:9', 'a:6', 'a:2']);
  });

  it('more messages than a millisecond has places for are all found, the latest first', async () => {
    const { db, store } = await opened();
    const at = clock;
    const events = Array.from({ length: 3_000 }, (_, i) => ({ ...say('agent', `word${i}`, `t${i}`), at }));
    await put(db, 'a', [...events, ended('t')]);
    await put(db, 'b', turn('u', 'word here', 'x'));
    expect((await search(db, store, 'word', { limit: 3 })).hits.map(({ snippet }) => snippet)).toEqual([
      'word here',
      'word2999',
      'word2998',
    ]);
    if (named !== 'a store without full text')
      expect(await db.query('SELECT indexed_seq FROM acp_search_progress ORDER BY session_id')).toEqual([
        { indexed_seq: 3_001 },
        { indexed_seq: 4 },
      ]);
    expect((await search(db, store, 'word1234', {})).hits).toMatchObject([{ seq: 1_235 }]);
  });

  it('a message ends where a tool call stands in between: its words are not joined with those of the next', async () => {
    const { db, store } = await opened();
    const update = (payload: object): NewEvent => ({
      ...{ kind: 'update', turnId: 't', at: (clock += 1), origin: 'agent' },
      payload: payload as never,
    });
    const between: readonly (readonly [string, readonly NewEvent[], parts: boolean])[] = [
      ['tool call', [update({ sessionUpdate: 'tool_call', toolCallId: 'c', title: 'look', status: 'completed' })], true],
      ['plan', [update({ sessionUpdate: 'plan', entries: [] })], true],
      ['question', question('t'), true],
      ['thought', [update({ sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text: 'hm' } })], true],
      ['usage', [update({ sessionUpdate: 'usage_update', used: 1 })], false],
    ];
    for (const [id, events, parts] of between) {
      await put(db, id, [say('agent', 'First I look', 't'), ...events, say('agent', 'heron seen', 't'), ended('t')]);
      const hits = async (words: string) => (await search(db, store, words, { sessionId: id })).hits.map(({ snippet }) => snippet);
      expect(await hits('heron'), id).toEqual(parts ? ['heron seen'] : []);
      expect(await hits('look'), id).toEqual([parts ? 'First I look' : 'First I lookheron seen']);
    }
  });

  it('under its id a message goes on after a tool call, in a line of its own', async () => {
    const { db, store } = await opened();
    const whole = (text: string): NewEvent => ({
      ...{ kind: 'update', turnId: 't', at: (clock += 1), origin: 'agent' },
      payload: { sessionUpdate: 'agent_message', messageId: 'm', content: [{ type: 'text', text }] } as never,
    });
    const call: NewEvent = { ...whole(''), payload: { sessionUpdate: 'tool_call_update', toolCallId: 'c', title: 'look' } as never };
    const hits = async (words: string) => (await search(db, store, words, {})).hits.map(({ snippet }) => snippet);
    await put(db, 's', [say('agent', 'I look', 't', 'm'), call, say('agent', 'heron seen', 't', 'm')]);
    expect(await hits('heron')).toEqual(['I look heron seen']);
    await put(db, 's', [call, whole('Only an egret.'), ended('t')]);
    expect(await hits('heron')).toEqual([]);
    expect(await hits('egret')).toEqual(['Only an egret.']);
  });

  it('a fork has the record up to its point, and a turn that was cut there reads as interrupted', async () => {
    const { db, store } = await opened();
    await put(db, 'a', [...turn('t1', 'one', 'two'), started('t2'), say('user', 'three', 't2'), say('agent', 'four', 't2'), ended('t2')]);
    const original = (await store.session('a'))!;
    await copySession(
      db,
      store,
      original,
      { sessionId: 'b', after: 4, agent: 'demo', cwd: '/project' },
      { maker: MAKER, remove: () => remove(db, 'b') },
    );
    expect(await store.events('b', {})).toEqual(await store.events('a', { before: 5 }));
    expect((await store.session('b'))!.info).toMatchObject({ agentSessionId: null, envNames: ['TOKEN'], latestSeq: 4 });
    await copySession(
      db,
      store,
      original,
      { sessionId: 'c', after: 6, agent: 'other', cwd: '/else' },
      { maker: MAKER, remove: () => remove(db, 'c') },
    );
    expect((await store.events('c', { after: 6 })).map(({ kind, payload }) => [kind, payload])).toMatchObject([
      ['turn_ended', { state: 'interrupted' }],
    ]);
    expect((await store.session('c'))!.origin).toMatchObject({ kind: 'handoff', sessionId: 'a', agent: 'demo', after: 6 });
    await expect(
      copySession(
        db,
        store,
        original,
        { sessionId: 'b', after: 1, agent: 'demo', cwd: '/' },
        { maker: MAKER, remove: async () => undefined },
      ),
    ).rejects.toMatchObject({ code: 'session_exists' });
  });

  it('an export comes back as the same history, also beside the original', async () => {
    const { db, store } = await opened();
    await put(db, 'a', [...turn('t1', 'one', 'two'), ...turn('t2', 'three', 'four')]);
    const lines = await linesOf(db, 'a');
    expect(JSON.parse(lines[0]!)).toMatchObject({ rehydrate: 'session', version: 1, session: { session_id: 'a', env_names: ['TOKEN'] } });
    expect(await take(db, lines, 'again')).toBe('again');
    const plain = async (id: string) => (await store.events(id, {})).map(({ turnId: _, ...event }) => event);
    expect(await plain('again')).toEqual(await plain('a'));
    const other = await opened();
    expect(await take(other.db, lines)).toBe('a');
    expect(await other.store.events('a', {})).toEqual(await store.events('a', {}));
    expect(await linesOf(other.db, 'a').then((all) => all.slice(1))).toEqual(lines.slice(1));
    await expect(take(other.db, lines)).rejects.toMatchObject({ code: 'session_exists' });
  });

  it('a token that streamed in pieces is in no line of an export, and in the record as it was said', async () => {
    const { db, store } = await opened();
    const token = ['ghp_16C7e42F', '292c6912E7710', 'c838347Ae178B4a'];
    const [begun, question, ...rest] = turn('t1', 'Which token?', 'It is ', ...token, ' as I said', ' before.');
    // What an agent says of its state between two pieces, and what it hangs on one of them, does not part them.
    const usage = { ...rest[1]!, payload: { sessionUpdate: 'usage_update', used: 1, size: 2 } } as NewEvent;
    const events = [begun!, question!, ...rest.toSpliced(2, 1, { ...rest[2]!, meta: { at: 1 } } as NewEvent).toSpliced(3, 0, usage)];
    await put(db, 'a', events);
    const lines = await linesOf(db, 'a', createThoroughRedactor([]).thorough);
    for (const piece of token) expect(lines.join('\n')).not.toContain(piece);
    await take(db, lines, 'b');
    const answer = async (id: string) =>
      (await store.events(id, {})).flatMap(({ origin, payload }) =>
        origin === 'agent' && 'content' in payload ? [(payload as unknown as Chunk).content.text] : [],
      );
    expect((await answer('b')).join('')).toBe('It is [secret token] as I said before.');
    expect(await answer('b')).toHaveLength(6);
    expect(await answer('a')).toEqual(['It is ', ...token, ' as I said', ' before.']);
  });

  it('I12: an export of a turn that ran comes back with its end', async () => {
    const { db, store } = await opened();
    await put(db, 'a', [started('t1'), say('user', 'one', 't1'), ...question('t1')]);
    await db.batch([{ sql: `UPDATE acp_turns SET state = 'running'` }]);
    const lines = await linesOf(db, 'a');
    await take(db, lines.toSpliced(-2, 1, JSON.stringify({ end: { lines: 4, events: 3 } })).slice(0, -1), 'b');
    const ends = await store.events('b', { after: 3 });
    expect(ends.map(({ kind, turnId }) => [kind, turnId])).toEqual(['permission_resolved', 'turn_ended'].map((kind) => [kind, 'new-1']));
    expect(await store.runningTurns('b')).toEqual([]);
    const original = (await store.session('a'))!;
    // The answer comes after the point of the fork.
    const fork = { sessionId: 'c', after: 3, agent: 'demo', cwd: '/project' };
    await copySession(db, store, original, fork, { maker: MAKER, remove: () => remove(db, 'c') });
    expect((await store.events('c', { after: 3 })).map(({ kind }) => kind)).toEqual(['permission_resolved', 'turn_ended']);
  });

  it('I12: a turn that ends while it is exported reads as interrupted in the turns and in the log', async () => {
    const { db, store } = await opened();
    await put(db, 'a', [started('t1'), say('user', 'one', 't1')]);
    await db.batch([{ sql: `UPDATE acp_turns SET state = 'running'` }]);
    const lines = exportLines(db, 'a', (text) => text);
    const first = (await lines.next()).value as string;
    await put(db, 'a', [say('agent', 'two', 't1'), ended('t1')]);
    await db.batch([{ sql: `UPDATE acp_turns SET state = 'completed', stop_reason = 'end_turn', last_seq = 4` }]);
    await take(db, [first, ...(await all(lines))], 'b');
    const [turn] = await db.query(`SELECT state, stop_reason, last_seq FROM acp_turns WHERE session_id = 'b'`);
    expect(turn).toEqual({ state: 'interrupted', stop_reason: null, last_seq: 3 });
    expect((await store.events('b', {})).at(-1)).toMatchObject({ kind: 'turn_ended', payload: { state: 'interrupted' } });
  });

  describe('a cursor of a deleted session is invalid_argument in whatever is made under its id', () => {
    const PLACE = { agent: 'demo', cwd: '/project' };
    const ways: readonly (readonly [string, (host: Host, exported: readonly string[]) => Promise<unknown>])[] = [
      ['created', (host) => host.create({ ...PLACE, sessionId: 'main' })],
      ['opened', (host) => host.open('main', PLACE)],
      ['adopted', (host) => host.adopt({ ...PLACE, agentSessionId: 'theirs', sessionId: 'main' })],
      ['forked', (host) => host.fork('other', { sessionId: 'main' })],
      ['forked without an event', (host) => host.fork('other', { sessionId: 'main', after: 0 })],
      ['imported', (host, exported) => host.import(exported)],
      ['imported from another', async (host) => host.import(host.export('other') as never, { sessionId: 'main' })],
    ];

    it.each(ways)('%s', async (_way, make) => {
      const db = await open();
      const host = await createHost({ database: db, agents: inProcessLauncher({ variant: 'native' }) });
      onTestFinished(() => host.sleep().then(() => db.close()));
      for (const sessionId of ['main', 'other']) {
        await host.create({ ...PLACE, sessionId });
        await host.prompt(sessionId, 'say one');
      }
      const old = await host.history('main');
      const { latestSeq: after } = await host.get('main');
      const exported = await all(host.export('main'));
      await host.delete('main');
      for (let times = 0; times < 2; times += 1) {
        await make(host, exported);
        const { firstSeq, latestSeq } = await host.get('main');
        expect(firstSeq).toBeGreaterThan(after + 1);
        const events = await host.history('main');
        expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => firstSeq + index));
        expect(latestSeq).toBe(firstSeq + events.length - 1);
        for (const cursor of [1, after, firstSeq - 2, latestSeq + 1]) {
          const refused = { code: 'invalid_argument', data: { after: cursor, firstSeq, latestSeq } };
          await expect(host.history('main', { after: cursor })).rejects.toMatchObject(refused);
          await expect(host.events('main', { after: cursor })[Symbol.asyncIterator]().next()).rejects.toMatchObject(refused);
          await expect(host.fork('main', { after: cursor })).rejects.toMatchObject(refused);
        }
        expect(await host.history('main', { after: latestSeq })).toEqual([]);
        expect(await host.history('main', { after: firstSeq - 1 })).toEqual(events);
        const shapes = (of: typeof old) => of.map(({ kind, payload }) => ({ kind, payload }));
        if (_way === 'imported') expect(shapes(events)).toEqual(shapes(old));
        // Lines are numbered from 1, so that they come in anywhere.
        const lines = await all(host.export('main'));
        const elsewhere = await createHost({ database: await open(), agents: {} });
        await elsewhere.import(lines);
        expect((await elsewhere.history('main')).map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
        await elsewhere.sleep();
        if (_way !== 'adopted') {
          const { turnId } = await host.prompt('main', 'say two');
          expect((await host.history('main')).find((event) => event.turnId === turnId)?.seq).toBeGreaterThan(latestSeq);
        }
        await host.delete('main');
      }
    });

    it('what a killed delete left does not keep an import out', async () => {
      const { db } = await opened();
      await put(db, 'a', turn('t1', 'one', 'two'));
      const lines = await linesOf(db, 'a');
      await db.batch([{ sql: `UPDATE acp_sessions SET deleted_at = 1` }]);
      expect(await take(db, lines)).toBe('a');
      expect((await createStore(db).events('a', {})).map(({ seq }) => seq)).toEqual([6, 7, 8, 9]);
    });
  });

  it('values of secrets in a file are not written', async () => {
    const { db } = await opened();
    await put(db, 'a', turn('t1', 'one', 'two'));
    const lines = await linesOf(db, 'a');
    const server = { name: 'n', command: '/n', args: [], env: [{ name: 'K', value: 's3cret-value' }] };
    await take(db, lines.with(0, withServers(lines[0]!, [server])), 'b');
    const [row] = await db.query(`SELECT mcp_servers FROM acp_sessions WHERE session_id = 'b'`);
    expect(JSON.parse(String(row?.['mcp_servers']))).toMatchObject([{ env: [{ name: 'K', value: '' }] }]);
  });

  it('a torn or foreign file is refused whole, by line', async () => {
    const { db, store } = await opened();
    await put(db, 'a', turn('t1', 'one', 'two'));
    const lines = await linesOf(db, 'a');
    const cases: readonly (readonly [readonly string[], number])[] = [
      [[], 1],
      [lines.slice(0, -1), lines.length],
      [lines.with(-1, lines.at(-1)!.slice(0, -4)), lines.length],
      [lines.toSpliced(3, 1), 4],
      [lines.toSpliced(3, 0, lines[3]!), 5],
      [[...lines, lines.at(-1)!], lines.length + 1],
      [['{"hello":"world"}'], 1],
      [[lines[0]!.replace('"version":1', '"version":2')], 1],
      [[withServers(lines[0]!, [3]), ...lines.slice(1)], 1],
      [[withServers(lines[0]!, [{ name: 'n', env: [{ name: 'K' }] }]), ...lines.slice(1)], 1],
      [lines.with(1, ''), lines.length],
      [[lines[0]!, '[]'], 2],
      [[lines[0]!, lines[2]!.replace('"turn_started"', '"evil"')], 2],
    ];
    for (const [given, line] of cases)
      await expect(take(db, given, 'b')).rejects.toMatchObject({ code: 'invalid_argument', data: { line } });
    expect(await store.session('b')).toBeNull();
    expect(await db.query(`SELECT 1 FROM acp_session_events WHERE session_id = 'b'`)).toEqual([]);
  });
});

it('words are taken without case, accents and what joins them', () => {
  expect(tokens('Héron-4711, "heißt" NEAR(x)')).toEqual(['heron', '4711', 'heisst', 'near', 'x']);
  expect(tokens('… - !')).toEqual([]);
});
