/** Runs a history on real hosts and holds them to the reference. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { createHost, type Host, type Limits, type Row, type SessionEvent, type SqlDatabase } from '../../../src/engine/index.ts';
import { inProcessLauncher, type AgentVariant, type InProcessLauncher } from '../../../src/testing/agents/index.ts';
import { PROTOCOL } from '../../support/protocol.ts';
import { HostDatabase, share, type Shared } from './faulty-database.ts';
import type { Operation } from './operations.ts';
import { checkRecord, checkSeen, facts, newReference, type Asked, type Reference } from './reference.ts';
import { tapped, type TappedLauncher } from './tapped-launcher.ts';

const SESSION = 'main';
const LEASE_MS = 10_000;
/** Short for agents that hang; an agent that is merely slow on a busy machine then fails too, which is allowed. */
const SHORT: Partial<Limits> = {
  initializeMs: 300,
  sessionMs: 300,
  settingMs: 300,
  listMs: 300,
  cancelGraceMs: 60,
  replayQuietMs: 15,
  replayMaxMs: 150,
  leaseMs: LEASE_MS,
};
const PATIENT: Partial<Limits> = { cancelGraceMs: 500, replayQuietMs: 50, leaseMs: LEASE_MS };
/** How long a history goes on waiting for one step. */
const PATIENCE_MS = 150;
/** Far beyond every limit above: whatever is not over then is stuck. */
const STUCK_MS = 30_000;

interface Seat {
  host: Host;
  database: HostDatabase;
  agents: TappedLauncher;
  /** What it says from here on nobody hears. */
  crashed: boolean;
}

class World {
  readonly reference: Reference = newReference();
  readonly #base: SqlDatabase;
  readonly #shared: Shared;
  readonly #launcher: InProcessLauncher;
  readonly #aliveness = new Map<string, boolean | 'unknown'>();
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #problems: unknown[] = [];
  #seats: Seat[] = [];
  #now = 1_000_000;
  #told = 0;

  constructor(base: SqlDatabase, variant: AgentVariant) {
    this.#base = base;
    this.#shared = share(base);
    this.#launcher = inProcessLauncher({ variant });
  }

  async start(): Promise<void> {
    this.#seats = [await this.#open(SHORT), await this.#open(SHORT)];
  }

  async #open(limits: Partial<Limits>): Promise<Seat> {
    let hostId = '';
    const database = new HostDatabase(this.#shared, (before, after) => this.#checkFence(hostId, before, after));
    const agents = tapped(this.#launcher, this.#base, this.reference.sent);
    const host = await createHost({
      database,
      agents,
      limits,
      protocol: PROTOCOL,
      clock: () => this.#now,
      ownerAlive: (owner) => this.#aliveness.get(owner.hostId) ?? 'unknown',
    });
    hostId = host.hostId;
    this.#aliveness.set(hostId, true);
    return { host, database, agents, crashed: false };
  }

  /** I9: who writes events holds the lease before or takes it in the same batch; from a dead owner also to end what it left, and let go. */
  #checkFence(hostId: string, before: readonly Row[], after: readonly Row[]): void {
    for (const row of after) {
      const was = before.find((candidate) => candidate['session_id'] === row['session_id']);
      if (!was || was['last_seq'] === row['last_seq']) continue;
      const holds = (owner: unknown) => typeof owner === 'string' && owner.includes(hostId);
      const dead = [...this.#aliveness].some(([id, alive]) => alive !== true && String(was['lease_owner']).includes(id));
      const ended = dead && row['lease_owner'] === null && Number(row['lease_generation']) === Number(was['lease_generation']) + 1;
      if (!holds(was['lease_owner']) && !holds(row['lease_owner']) && !ended)
        this.#problems.push(
          new Error(
            `I9: ${hostId} wrote without the lease, which ${String(was['lease_owner'])} has (${String(was['lease_generation'])}), and then ${String(row['lease_owner'])} (${String(row['lease_generation'])})`,
          ),
        );
    }
  }

  async take(operation: Operation): Promise<void> {
    const seat = this.#seats[operation.host]!;
    switch (operation.do) {
      case 'create':
        return this.#tried(seat, seat.host.create({ agent: 'demo', cwd: '/tmp', sessionId: SESSION }), true);
      case 'tell': {
        const { key, other } = operation;
        const n = ++this.#told;
        const text = key === null ? `My item u${n} is v${n}.` : `My item k${key} is ${other ? 'other' : 'value'}${key}.`;
        const over = this.#prompt(seat, text, key === null ? null : `key-${key}`);
        if (operation.wait) await Promise.race([over, sleep(PATIENCE_MS)]);
        return;
      }
      case 'ask-permission':
        void this.#prompt(seat, `ask permission ${++this.#told}`, null);
        return;
      case 'hang':
        void this.#prompt(seat, `hang ${++this.#told}`, null);
        return;
      case 'answer':
        return this.#answer(seat, operation.option);
      case 'cancel':
        return this.#tried(seat, seat.host.cancel(SESSION), false);
      case 'resume':
        return this.#tried(seat, seat.host.resume(SESSION), true);
      case 'set-mode':
        return this.#tried(seat, seat.host.setMode(SESSION, operation.modeId), true);
      case 'close':
        return this.#tried(seat, seat.host.close(SESSION), false);
      case 'sleep':
        await this.#sleep(seat);
        this.#seats[operation.host] = await this.#open(SHORT);
        return;
      case 'crash':
        await this.#crash(seat);
        this.#seats[operation.host] = await this.#open(SHORT);
        return;
      case 'crash-agent':
        seat.agents.crashAgent();
        return;
      case 'fail':
        return seat.database.fail(operation.fault);
      case 'seem':
        this.#aliveness.set(seat.host.hostId, operation.alive);
        return;
      case 'time-passes':
        this.#now += LEASE_MS + 1;
        return;
      case 'pause':
        for (let turn = 0; turn < operation.turns; turn++) await sleep(0);
    }
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work);
    void work.then(
      () => this.#underWay.delete(work),
      () => this.#underWay.delete(work),
    );
    return work;
  }

  /** Refusals of every kind are allowed here; what they leave behind is looked at in the record. */
  async #tried(seat: Seat, work: Promise<unknown>, wait: boolean): Promise<void> {
    const over = this.#track(
      work.then(
        () => undefined,
        () => undefined,
      ),
    );
    if (wait) await Promise.race([over, sleep(PATIENCE_MS)]);
  }

  async #prompt(seat: Seat, text: string, key: string | null): Promise<void> {
    const repeated = key !== null && this.reference.asked.find((asked) => asked.key === key && asked.text === text);
    const asked: Asked = { text, key, outcome: null };
    this.reference.asked.push(asked);
    await this.#track(
      seat.host.prompt(SESSION, text, key === null ? {} : { idempotencyKey: key }).then(
        (result) => {
          if (!seat.crashed) asked.outcome = { result };
          if (result.repeated && !repeated) this.#problems.push(new Error(`“${text}” was never asked before, yet its result was repeated`));
        },
        (error: unknown) => {
          if (!seat.crashed) asked.outcome = { error };
        },
      ),
    );
  }

  async #answer(seat: Seat, option: 'once' | 'no' | 'bogus' | null): Promise<void> {
    const requests = (await this.#history()).filter((event) => event.kind === 'permission_requested');
    const request = requests.at(-1);
    if (!request || request.kind !== 'permission_requested') return;
    const { requestId } = request.payload;
    const accepted = seat.host.respondPermission(SESSION, requestId, option).then(
      () => {
        if (option === 'bogus') this.#problems.push(new Error('an unknown option was accepted'));
        this.reference.answered.set(requestId, option);
      },
      () => undefined,
    );
    await this.#track(accepted);
  }

  async #sleep(seat: Seat): Promise<void> {
    seat.database.heal();
    await settled(seat.host.sleep(), 'sleep');
    expect(seat.agents.alive, 'I7: no agent is left when the host sleeps').toBe(0);
    // It has let go, whatever others were told of it before.
    this.#aliveness.set(seat.host.hostId, false);
  }

  async #crash(seat: Seat): Promise<void> {
    seat.database.die();
    this.#aliveness.set(seat.host.hostId, false);
    seat.crashed = true;
    await seat.agents.killAll();
    // In a real crash nothing is left to run on; here what is left must at least come to an end.
    await settled(
      seat.host.sleep().catch(() => undefined),
      'the remains of a crashed host',
    );
  }

  /** Follows the session from a cursor for the rest of the history: no gap, no repeat, nothing that is not stored. */
  follow(host: 0 | 1, after: number): void {
    const seat = this.#seats[host]!;
    const following = (async () => {
      let last = after;
      for await (const event of seat.host.events(SESSION, { after })) {
        expect(event.seq, 'I2: no gap, no repeat').toBe(last + 1);
        last = event.seq;
        const [row] = await this.#base.query('SELECT 1 AS yes FROM acp_session_events WHERE seq = ?', [event.seq]);
        expect(row, 'I2: stored before seen').toBeDefined();
        checkSeen(this.reference, event);
      }
    })();
    following.catch((error: unknown) => {
      // A follower of a host that died cannot read on.
      if ((error as Error).name !== 'SqlError' && (error as Error).name !== 'RehydrateError') this.#problems.push(error);
    });
  }

  #history() {
    return readHistory(this.#base);
  }

  /** Ends everything, and looks at what it left. */
  async finish(remembers: boolean): Promise<void> {
    for (const seat of this.#seats) {
      seat.database.heal();
      // Who still waits for an answer gets none.
      void seat.host.cancel(SESSION).catch(() => undefined);
    }
    for (const seat of this.#seats) await this.#sleep(seat);
    await settled(Promise.all([...this.#underWay]), 'everything that was asked');
    await checkRecord(this.reference, this.#base, await this.#history(), false);
    const last = await this.#open(PATIENT);
    this.#seats = [last];
    const there = (await last.host.list()).sessions.length > 0;
    if (there && remembers) await this.#recall(last);
    else if (there) await this.#promptAnyway(last);
    await this.#sleep(last);
    if (this.#problems.length > 0) throw this.#problems[0];
    await checkRecord(this.reference, this.#base, await this.#history(), there && remembers);
  }

  async #recall(seat: Seat): Promise<void> {
    const { turnId } = await settled(seat.host.prompt(SESSION, 'What do you remember?'), 'the next prompt');
    const said = (await this.#history())
      .map((event) =>
        event.turnId === turnId && event.kind === 'update' && event.payload.sessionUpdate === 'agent_message_chunk'
          ? (event.payload as { content: { text: string } }).content.text
          : '',
      )
      .join('');
    for (const { item, value } of facts(this.reference))
      expect(said, `I4: item ${item} was acknowledged and is remembered`).toContain(`item ${item}: ${value}`);
  }

  /** An agent that never answers is given up on; what that leaves is a record like any other. */
  async #promptAnyway(seat: Seat): Promise<void> {
    const prompt = seat.host.prompt(SESSION, 'My item last is last.').catch(() => undefined);
    await Promise.race([prompt, sleep(100)]);
    void seat.host.cancel(SESSION).catch(() => undefined);
    await settled(prompt, 'a prompt that was cancelled');
  }
}

async function readHistory(database: SqlDatabase) {
  const reader = await createHost({ database, agents: {} });
  const { sessions } = await reader.list();
  return sessions.length === 0 ? [] : reader.history(SESSION);
}

async function settled<T>(work: Promise<T>, what: string): Promise<T> {
  const late = Symbol();
  const stop = new AbortController();
  const first = await Promise.race([work, sleep(STUCK_MS, late, { signal: stop.signal }).catch(() => late)]);
  stop.abort();
  if (first === late) throw new Error(`${what} is stuck: not over after ${STUCK_MS} ms`);
  return first as T;
}

/** One event, short enough to read a hundred of. */
function line({ seq, turnId, kind, origin, payload }: SessionEvent): string {
  const { sessionUpdate, content, ...rest } = payload as { sessionUpdate?: string; content?: { text?: string } };
  const what = sessionUpdate ? `${sessionUpdate} ${content?.text ?? ''}` : JSON.stringify(rest).slice(0, 300);
  return `${seq} ${turnId?.slice(0, 6) ?? '-'} ${origin} ${kind} ${what}`;
}

/** The property: throws at the first promise that was not kept. */
export async function runHistory(variant: AgentVariant, history: readonly Operation[], remembers: boolean): Promise<void> {
  const base = await openNodeSqlite(':memory:');
  try {
    const world = new World(base, variant);
    await world.start();
    for (const [index, operation] of history.entries()) {
      await world.take(operation);
      if (index === 0) world.follow(0, 0);
      if (index % 5 === 4) world.follow(operation.host, Math.min(index, (await readHistory(base)).length));
    }
    await world.finish(remembers);
  } catch (error) {
    throw new Error(`${(error as Error).message}\nThe record:\n${(await readHistory(base)).map(line).join('\n')}`, { cause: error });
  } finally {
    await base.close();
  }
}
