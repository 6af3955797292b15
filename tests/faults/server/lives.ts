/**
 * Random clients of both versions at one host, or at two on one database, whose agent does something else in each turn. Whatever they do, each sees what is in the record:
 * no gap, no repeat, in order; each request and each question is answered once; and in the end no turn seems to run.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import {
  createHost,
  foldEvents,
  type AgentLauncher,
  type AgentProcess,
  type Host,
  type SessionEvent,
  type SqlDatabase,
} from '../../../src/engine/index.ts';
import { serveAcp, type AcpServing } from '../../../src/server/index.ts';
import { pair } from '../../support/pair.ts';
import { faultOfV2 } from '../../support/v2-schema.ts';
import { random, type Random } from '../engine-host/random.ts';
import { livelyAgent } from './lively-agent.ts';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- raw JSON
type Json = any;

const STEPS = 30;
const SETTLE_MS = 8_000;

/** What a client has of a session, from when it was opened. */
interface Opened {
  /** Everything that came, from this number of the log on; null: from where it was then. */
  readonly after: number | null;
  readonly updates: Json[];
  /** How many of them came before it was opened: a client that has it open already may be told some as they happen, and then again. */
  before: number;
}

class Client {
  readonly seen: Json[] = [];
  readonly opened = new Map<string, Opened>();
  /** Whatever was opened and closed again. */
  readonly past: { readonly sessionId: string; readonly opened: Opened }[] = [];
  readonly cursors = new Map<string, number>();
  readonly asked = new Map<
    unknown,
    { readonly method: string; readonly params: Json; answers: number; resolve: (message: Json) => void }
  >();
  readonly questions = new Map<unknown, 'open' | 'answered' | 'withdrawn'>();
  readonly own: string[] = [];
  readonly faults: string[] = [];
  serving!: AcpServing;
  gone = false;
  host!: Host;
  private reads = Promise.resolve();
  private letRead: (() => void) | null = null;
  private next = 0;
  private prompts = 0;
  private writer!: WritableStreamDefaultWriter<AnyMessage>;
  readonly name: string;
  readonly version: 1 | 2;
  readonly observes: boolean;
  private readonly r: Random;

  constructor(name: string, version: 1 | 2, observes: boolean, r: Random) {
    Object.assign(this, { name, version, observes, r });
    this.name = name;
    this.version = version;
    this.observes = observes;
    this.r = r;
  }

  connect(host: Host, limits: object): void {
    const { client, server } = pair();
    this.host = host;
    this.serving = serveAcp(host, server, { agent: 'lively', observe: this.observes, adopt: true, limits });
    this.writer = client.writable.getWriter();
    void (async () => {
      for await (const message of client.readable as unknown as AsyncIterable<Json>) {
        await this.reads;
        this.hear(message);
      }
    })().catch(() => undefined);
    const hello =
      this.version === 1
        ? { protocolVersion: 1, clientCapabilities: {} }
        : { protocolVersion: 2, info: { name: 'c', version: '1' }, capabilities: {} };
    void this.request('initialize', hello);
  }

  stopReading(): void {
    if (!this.letRead) this.reads = new Promise((resolve) => (this.letRead = resolve));
  }

  readOn(): void {
    this.letRead?.();
    this.letRead = null;
  }

  send(message: object): void {
    this.writer.write({ jsonrpc: '2.0', ...message } as AnyMessage).catch(() => undefined);
  }

  notify(method: string, params: object): void {
    this.send({ method, params });
  }

  request(method: string, params: Json): Promise<Json> {
    const id = this.r.below(6) === 0 ? `id-${(this.next += 1)}` : (this.next += 1);
    return new Promise((resolve) => {
      this.asked.set(id, { method, params, answers: 0, resolve });
      this.send({ id, method, params });
    });
  }

  prompt(sessionId: string): Promise<Json> {
    const words = Array.from({ length: 1 + this.r.below(2) }, () => {
      const word = `u${this.name}x${(this.prompts += 1)}`;
      this.own.push(word);
      return { type: 'text', text: `${word} ` };
    });
    return this.request('session/prompt', { sessionId, prompt: words });
  }

  private fault(words: string): void {
    this.faults.push(`${this.name} (v${this.version}): ${words}`);
  }

  private hear(message: Json): void {
    this.seen.push(message);
    const { id, method, params } = message;
    if (this.version === 2) for (const fault of [faultOfV2(message)]) if (fault) this.fault(`not ACP v2: ${fault.slice(0, 300)}`);
    if (method === undefined) {
      const asked = this.asked.get(id);
      if (!asked) return this.fault(`an answer to nothing: ${JSON.stringify(message).slice(0, 200)}`);
      asked.answers += 1;
      asked.resolve(message);
      return;
    }
    if (id !== undefined) return this.answer(message);
    if (method === '$/cancel_request') {
      const { requestId } = params;
      if (this.questions.get(requestId) === undefined) this.fault(`a question withdrawn that was not asked: ${requestId}`);
      if (this.questions.get(requestId) === 'withdrawn') this.fault(`a question withdrawn twice: ${requestId}`);
      if (this.questions.get(requestId) === 'open') this.questions.set(requestId, 'withdrawn');
      return;
    }
    if (method !== 'session/update') return;
    const { sessionId, _meta } = params;
    const seq = _meta?.rehydrate?.seq;
    if (typeof seq === 'number') this.cursors.set(sessionId, seq);
    this.opened.get(sessionId)?.updates.push(params);
  }

  private answer({ id, method, params }: Json): void {
    if (this.observes) this.fault(`an observer was asked ${method}`);
    if (this.questions.has(id)) this.fault(`two questions of one id ${id}`);
    this.questions.set(id, 'open');
    const answer = (body: object) => {
      if (this.questions.get(id) === 'open') this.questions.set(id, 'answered');
      this.send({ id, ...body });
    };
    if (method === 'elicitation/create' && this.r.below(4)) return answer({ result: { action: 'accept', content: { a: 'b' } } });
    if (method !== 'session/request_permission' && this.r.below(8) === 0) return;
    if (method !== 'session/request_permission')
      return void (this.r.below(2) ? answer({ result: {} }) : answer({ error: { code: -32601, message: 'no' } }));
    const optionId = params.options[this.r.below(2)].optionId;
    const selected = { result: { outcome: { outcome: 'selected', optionId } } };
    switch (this.r.below(8)) {
      case 0:
        return answer({ result: { outcome: { outcome: 'cancelled' } } });
      case 1:
        return answer({ error: { code: -32603, message: 'cannot ask' } });
      case 2:
        answer(selected);
        return answer(selected);
      case 3:
        return void sleep(2).then(() => answer(selected));
      case 4:
        return answer({ result: { outcome: { outcome: 'selected', optionId: 'neither' } } });
      case 5:
        return; // never, until all is over
      default:
        return answer(selected);
    }
  }

  /** Answers what it left open. */
  answerAll(): void {
    for (const [id, state] of this.questions)
      if (state === 'open') {
        this.questions.set(id, 'answered');
        this.send({ id, result: { outcome: { outcome: 'cancelled' } } });
      }
  }

  /** Opens a session: what came of it before counts no more. */
  async open(sessionId: string, how: 'load' | 'resume', after?: number): Promise<void> {
    this.leaveSession(sessionId);
    const from = after ?? (how === 'load' ? 0 : null);
    const opened: Opened = { after: from, updates: [], before: 0 };
    this.opened.set(sessionId, opened);
    const { result } = await this.request(...takes(this.version, sessionId, how, after));
    opened.before = opened.updates.length;
    if (!result) this.opened.delete(sessionId);
  }

  leaveSession(sessionId: string): void {
    const opened = this.opened.get(sessionId);
    if (!opened) return;
    this.opened.delete(sessionId);
    this.past.push({ sessionId, opened });
  }

  async leave(): Promise<void> {
    this.gone = true;
    this.readOn();
    await this.writer.close().catch(() => undefined);
    this.serving.close();
    for (const sessionId of [...this.opened.keys()]) this.leaveSession(sessionId);
  }
}

function takes(version: 1 | 2, sessionId: string, how: 'load' | 'resume', after?: number): [string, Json] {
  const params = { sessionId, cwd: '/tmp', mcpServers: [], ...(after === undefined ? {} : { _meta: { rehydrate: { after } } }) };
  if (version === 1) return [`session/${how}`, params];
  return ['session/resume', { ...params, ...(how === 'load' ? { replayFrom: { type: 'start' } } : {}) }];
}

const wordsOf = (update: Json): string[] => {
  const { content } = update;
  if (!/_(message|thought)(_chunk)?$/.test(update.sessionUpdate)) return [];
  return (Array.isArray(content) ? content : [content]).flatMap((block: Json) => block?.text?.match(/[a-z]+[\dx]+/gi) ?? []);
};

function repeatedUpTo({ updates, before }: Opened): number {
  let start = 0;
  let last = -1;
  for (const [at, { update, _meta }] of updates.slice(0, before).entries()) {
    if (wordsOf(update).length === 0) continue;
    const { seq } = _meta.rehydrate;
    if (seq <= last) start = at;
    last = seq;
  }
  return start;
}

const isLasting = (word: string): boolean => !/^[df]\d/.test(word);

/** What the log has after a number, each word once, in the order in which they were said first. */
function wordsIn(events: readonly SessionEvent[], after: number): string[] {
  const words = events.flatMap(({ seq, kind, payload }) => (kind === 'update' && seq > after ? wordsOf(payload) : []));
  return [...new Set(words)];
}

function messagesOf(updates: readonly Json[]): string[] {
  const messages: { key: string; text: string }[] = [];
  let parted = true;
  for (const { update } of updates) {
    const kind = String(update.sessionUpdate);
    const [, role, isChunk] = /^(user|agent)_(?:message|thought)(_chunk)?$/.exec(kind) ?? [];
    if (role === undefined) {
      if (/^tool_call/.test(kind)) parted = true;
      continue;
    }
    const key = `${kind.replace('_chunk', '')} ${update.messageId ?? ''}`;
    const said = wordsOf(update).join(' ');
    const last = update.messageId ? messages.find((each) => each.key === key) : parted ? undefined : messages.at(-1);
    const same = last?.key === key ? last : undefined;
    if (!same) messages.push({ key, text: said });
    else same.text = isChunk ? [same.text, said].filter(Boolean).join(' ') : said;
    parted = false;
  }
  return messages.map(({ text }) => text).filter((text) => text !== '');
}

/** What a host has of the world, until it is killed: from then on it learns nothing and writes nothing, and its agents are gone. */
function killable(database: SqlDatabase, launcher: AgentLauncher) {
  let killed = false;
  const running = new Set<AgentProcess>();
  const whileAlive = async <T>(work: () => Promise<T>): Promise<T> => {
    const done = killed ? null : await work();
    return killed || done === null ? new Promise<T>(() => undefined) : done;
  };
  const agents: AgentLauncher = {
    launch: (spec, options) =>
      whileAlive(async () => {
        const started = await launcher.launch(spec, options);
        running.add(started);
        void started.exited.then(() => running.delete(started));
        return started;
      }),
  };
  return {
    agents,
    database: {
      ...database,
      query: (sql, params) => whileAlive(() => database.query(sql, params)),
      batch: (statements) => whileAlive(() => database.batch(statements)),
    } satisfies SqlDatabase,
    kill() {
      killed = true;
      for (const each of running) void each.end('kill');
    },
  };
}

export async function live(seed: number): Promise<string[]> {
  const r = random(seed);
  const { below, pick } = r;
  const counts = { w: 0, d: 0, f: 0, t: 0 };
  const lively = livelyAgent(r, (kind) => `${kind}${(counts[kind] += 1)}`);
  const database: SqlDatabase = await openNodeSqlite(':memory:');
  const protocol = pick(['v1', 'newest'] as const);
  const awake = new Map<string, { kill(): void }>();
  const wake = async (): Promise<Host> => {
    const { database: its, agents, kill } = killable(database, lively.agents);
    const host = await createHost({
      ...{ database: its, agents, protocol, ownerAlive: ({ hostId }) => awake.has(hostId) },
      limits: {
        ...{ cancelGraceMs: pick([5_000, 30]), replayQuietMs: 5, replayMaxMs: 50, quietMs: 2, quietMaxMs: 10 },
        ...{ subscriberEvents: pick([1, 1_000]), followMs: 20, liveSessions: pick([2, 64]) },
      },
      whenFull: 'end-idlest',
    });
    awake.set(host.hostId, { kill });
    return host;
  };
  const hosts = [await wake()];
  if (below(3) === 0) hosts.push(await wake());
  const limits = { queuedChars: pick([512, 262_144]), replayPage: pick([3, 512]), listPage: 3, unreadMs: 20 };
  const clients: Client[] = [];
  const all: Client[] = [];
  const faults: string[] = [];
  const deleted = new Set<string>();
  let wasKilled = false;
  const sessions = new Set<string>();
  const log: string[] = [];
  const note = (words: string) => {
    log.push(words);
    if (process.env['LIVES_LOG']) console.log(words);
  };
  const join = (): Client => {
    const client = new Client(String(all.length), pick([1, 2]), below(5) === 0, r);
    note(`${client.name} joins, v${client.version}${client.observes ? ', observes' : ''}`);
    clients.push(client);
    all.push(client);
    client.connect(pick(hosts), limits);
    return client;
  };
  const leave = async (client: Client) => {
    clients.splice(clients.indexOf(client), 1);
    await client.leave();
  };
  /** For what it missed. */
  const comeBack = async (client: Client) => {
    const { cursors, version, observes } = client;
    const had = [...client.opened.keys()];
    await leave(client);
    const back = new Client(String(all.length), version, observes, r);
    note(`${client.name} is back as ${back.name}`);
    clients.push(back);
    all.push(back);
    back.connect(pick(hosts), limits);
    for (const id of had) if (!deleted.has(id)) void back.open(id, 'resume', cursors.get(id) ?? 0);
  };
  const pause = () => (below(3) ? new Promise(setImmediate) : sleep(below(4)));

  join();
  for (let step = 0; step < STEPS; step += 1) {
    const client = clients.length > 0 ? pick(clients) : join();
    const known = [...sessions];
    const sessionId = known.length > 0 ? pick(known) : null;
    const open = [...client.opened.keys()];
    const at = open.length > 0 ? pick(open) : null;
    const what = below(27);
    note(`${step}: ${client.name} ${what} ${at ?? ''} ${sessionId ?? ''}`);
    switch (what) {
      case 0:
        if (clients.length < 5) join();
        break;
      case 1:
        if (clients.length > 1) {
          await comeBack(client);
        }
        break;
      case 2:
        client.stopReading();
        void sleep(5).then(() => client.readOn());
        break;
      case 3:
      case 4:
        if (!client.observes && sessions.size < 4) {
          const made = client.request('session/new', { cwd: '/tmp', mcpServers: [] }).then(({ result }) => {
            if (result) sessions.add(result.sessionId);
            // From its answer on it is followed.
            if (result && !client.gone) client.opened.set(result.sessionId, { after: null, updates: [], before: 0 });
          });
          if (below(2)) await Promise.race([made, sleep(30)]);
        }
        break;
      case 5:
      case 6:
        if (sessionId) void client.open(sessionId, 'load');
        break;
      case 7:
        if (sessionId) void client.open(sessionId, 'resume');
        break;
      case 8:
        if (at && client.cursors.has(at)) void client.open(at, 'resume', client.cursors.get(at));
        break;
      case 9:
        if (at) {
          client.leaveSession(at);
          void client.request('session/close', { sessionId: at });
        }
        break;
      case 10:
        if (at && below(4) === 0 && !client.observes) {
          deleted.add(at);
          sessions.delete(at);
          void client.request('session/delete', { sessionId: at }).then(({ error }) => error && sessions.add(at) && deleted.delete(at));
        }
        break;
      case 11:
        if (at) client.notify('session/cancel', { sessionId: at });
        break;
      case 12: {
        const running = [...client.asked].filter(([, { answers }]) => answers === 0);
        const requestId = running.length > 0 ? pick(running)[0] : 'nothing';
        if (below(3)) client.notify('$/cancel_request', { requestId });
        else void client.request('$/cancel_request', { requestId });
        break;
      }
      case 13:
        if (at && client.version === 1) void client.request('session/set_mode', { sessionId: at, modeId: pick(['a', 'b']) });
        break;
      case 14:
        if (at) void client.request('session/set_config_option', { sessionId: at, configId: 'opt', value: pick(['x', 'y']), type: 'id' });
        break;
      case 15:
        void client.request('session/list', {}).then(async ({ result }) => {
          const found = (result?.sessions ?? []).find((each: Json) => each.sessionId === 'theirs');
          if (!found || client.observes || client.gone || deleted.has('theirs')) return;
          await client.open('theirs', pick(['load', 'resume']));
          if (client.opened.has('theirs')) sessions.add('theirs');
        });
        break;
      case 16:
        if (at) void client.request('_x/slow', { sessionId: at });
        break;
      case 17:
        if (below(2) === 0) {
          const at = below(hosts.length);
          const host = hosts[at]!;
          const killed = below(2) === 0;
          wasKilled ||= killed;
          note(`host ${at} ${killed ? 'is killed' : 'sleeps'}, and the next wakes`);
          if (killed) awake.get(host.hostId)!.kill();
          else await host.sleep();
          awake.delete(host.hostId);
          hosts[at] = await wake();
          for (const each of clients.filter((one) => one.host === host)) await (killed ? comeBack(each) : leave(each));
          if (clients.length === 0) join();
        }
        break;
      case 18:
        if (at && !client.observes && sessions.size < 6) {
          const forked = client.request('session/fork', { sessionId: at, cwd: '/tmp', mcpServers: [] }).then(({ result }) => {
            if (result) sessions.add(result.sessionId);
            if (result && !client.gone) client.opened.set(result.sessionId, { after: null, updates: [], before: 0 });
          });
          if (below(2)) await Promise.race([forked, sleep(30)]);
        }
        break;
      case 19:
        // Of a session that it may not have open.
        if (sessionId && below(3) === 0) {
          client.leaveSession(sessionId);
          void client.request('session/close', { sessionId });
        }
        break;
      case 20:
        if (at && below(2)) {
          // At once, without waiting.
          void client.prompt(at);
          client.leaveSession(at);
          void client.request('session/close', { sessionId: at });
        }
        break;
      default:
        if (at) {
          const prompted = client.prompt(at);
          // It may never end by itself.
          if (below(3) === 0) await Promise.race([prompted, sleep(30)]);
        }
    }
    await pause();
  }

  // ------------------------------------------------------------ all comes to rest

  lively.calm = true;
  const settled = async (what: string, holds: () => boolean | Promise<boolean>) => {
    for (const deadline = Date.now() + SETTLE_MS; !(await holds()); await sleep(3))
      if (Date.now() > deadline) {
        faults.push(`it never came to be: ${what}`);
        return;
      }
  };
  for (const client of clients) client.readOn();
  const unanswered = () =>
    clients.flatMap((client) =>
      [...client.asked].filter(([, { answers }]) => answers === 0).map(([id, { method }]) => `${client.name} ${method} ${id}`),
    );
  await settled('everything is answered', () => {
    for (const client of clients) {
      client.answerAll();
      for (const sessionId of client.opened.keys()) if (!client.observes) client.notify('session/cancel', { sessionId });
    }
    // Its clients may have left it.
    for (const sessionId of sessions) for (const host of hosts) host.cancel(sessionId).catch(() => undefined);
    return unanswered().length === 0;
  });
  if (unanswered().length > 0) faults.push(`unanswered: ${unanswered().join(', ')}`);
  await settled('no turn runs', async () => (await hosts[0]!.list()).sessions.every(({ state }) => state !== 'prompting'));
  // What another host wrote is looked for now and then.
  await sleep(hosts.length > 1 ? 100 : 15);

  // ------------------------------------------------------------ what each has seen

  for (const client of all) {
    faults.push(...client.faults);
    for (const [id, { method, answers }] of client.asked)
      if (answers > 1) faults.push(`${client.name}: ${method} ${id} was answered ${answers} times`);
  }
  for (const client of clients)
    for (const [id, state] of client.questions) if (state === 'open') faults.push(`${client.name}: question ${id} stayed open`);
  for (const [name, { answers, alive }] of lively.asked)
    if (answers > 1 || (answers === 0 && alive)) faults.push(`the agent’s question ${name} was answered ${answers} times`);

  if (lively.deleted.includes('theirs') && !deleted.has('theirs'))
    faults.push('a session of the agent’s own was deleted, and nobody asked for that');
  for (const sessionId of sessions) {
    if (deleted.has(sessionId)) continue;
    const events = await hosts[0]!.history(sessionId).catch(() => null);
    if (events === null) continue;
    const requests = (kind: string) =>
      new Set(events.flatMap((event) => (event.kind === kind ? (event.payload as Json).requestId : []))).size;
    if (requests('permission_requested') !== requests('permission_resolved'))
      faults.push(`${sessionId}: ${requests('permission_requested')} permissions asked, ${requests('permission_resolved')} resolved`);
    const lasting = wordsIn(events, 0).filter(isLasting);
    for (const client of clients) {
      const opened = client.opened.get(sessionId);
      if (!opened) continue;
      const whose = `${client.name} (v${client.version}) at ${sessionId}, opened after ${opened.after}`;
      // What it had before may come again, as a part of a message that is told whole.
      const had = new Set(
        opened.after === null
          ? []
          : wordsIn(
              events.filter(({ seq }) => seq <= opened.after!),
              0,
            ),
      );
      const isOwn = (word: string) => had.has(word) || (client.version === 1 && client.own.includes(word));
      const words = () => {
        const updates = opened.updates.slice(repeatedUpTo(opened));
        const told = updates.flatMap(({ update }) => (Array.isArray(update.content) && client.version === 2 ? [] : wordsOf(update)));
        if (client.version === 1) return told.filter((word) => isLasting(word) && !isOwn(word));
        const whole = updates.flatMap(({ update }) => wordsOf(update)).filter(isLasting);
        return [...new Set(whole)].filter((word) => !isOwn(word));
      };
      const expected = (opened.after === null ? lasting : wordsIn(events, opened.after).filter(isLasting)).filter((word) => !isOwn(word));
      const isRight = () => {
        const has = words();
        const should = opened.after === null ? expected.slice(expected.length - has.length) : expected;
        return JSON.stringify(has) === JSON.stringify(should);
      };
      for (const deadline = Date.now() + 1_000; !isRight() && Date.now() < deadline; await sleep(5));
      if (!isRight())
        faults.push(
          `${whose}\n  saw      ${words().join(' ')}\n  of       ${expected.join(' ')}`,
          ...(process.env['LIVES_LOG']
            ? [`${opened.before} before`, ...opened.updates, ...events].map((each) => JSON.stringify(each).slice(0, 300))
            : []),
        );
      const states = opened.updates.flatMap(({ update }) => (update.sessionUpdate === 'state_update' ? [update.state] : []));
      if (client.version === 2 && states.length > 0 && states.at(-1) !== 'idle') faults.push(`${whose}: ends with ${states.join(' ')}`);
      let running: string | null = null;
      for (const { _meta } of opened.updates) {
        const turn = _meta?.rehydrate?.turn;
        if (!turn) continue;
        if (turn.state === 'running') {
          if (running !== null && turn.turnId) faults.push(`${whose}: two turns run`);
          running = turn.turnId ?? '';
        } else running = null;
      }
      if (running !== null) faults.push(`${whose}: a turn runs for ever`);
    }
    // Whoever comes now has all of it, as it is now.
    const view = foldEvents(events);
    const wanted = view.messages.map(({ text }) => (text.match(/[a-z]+[\dx]+/gi) ?? []).join(' ')).filter((text) => text !== '');
    const calls = view.toolCalls.map(({ title, status }) => `${title} ${status}`);
    for (const version of [1, 2] as const) {
      const late = new Client(`late${version}`, version, false, r);
      late.connect(pick(hosts), { ...limits, queuedChars: 262_144 });
      await late.open(sessionId, 'load');
      const updates = late.opened.get(sessionId)?.updates ?? [];
      const got = messagesOf(updates);
      // A draft and its end may be on two pages, and v1 cannot take it back.
      const isToo = limits.replayPage === 3 && version === 1 && /\bd\d/.test(got.join(' '));
      // The rest of a message that a kill cut off is one with it for a client, and not for `foldEvents`.
      const compared = (messages: string[]) => JSON.stringify(wasKilled ? messages.join(' ').split(' ') : messages);
      if (!isToo && compared(got) !== compared(wanted))
        faults.push(
          `a load in v${version} of ${sessionId} gives\n  ${got.join(' | ')}\ninstead of\n  ${wanted.join(' | ')}`,
          ...(process.env['LIVES_LOG'] ? events.map((event) => JSON.stringify(event).slice(0, 240)) : []),
        );
      const shown = new Map<string, { title?: string; status?: string }>();
      for (const { update } of updates)
        if (/^tool_call/.test(update.sessionUpdate) && !String(update.toolCallId).startsWith('rehydrate-')) {
          const before = shown.get(update.toolCallId);
          shown.set(update.toolCallId, { ...before, ...update });
        }
      const showed = [...shown.values()].map(({ title, status }) => `${title} ${status}`);
      if (JSON.stringify(showed.toSorted()) !== JSON.stringify(calls.toSorted()))
        faults.push(`a load in v${version} of ${sessionId} shows ${showed.join(', ')} instead of ${calls.join(', ')}`);
      await late.leave();
      faults.push(...late.faults);
    }
  }
  for (const client of [...clients]) await leave(client);
  for (const host of hosts) await host.sleep();
  await database.close();
  if (faults.length > 0 && process.env['LIVES_LOG']) faults.push(...log);
  return faults;
}
