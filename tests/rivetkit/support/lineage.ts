/**
 * One session of one actor through many deaths of its runners. It keeps what was acknowledged to its caller and shown to
 * a reader, and after each death holds the record and the agents' log to it.
 */
import { expect } from 'vitest';
import type { SessionEvent } from '../../../src/engine/index.ts';
import type { AgentVariant } from '../../../src/testing/agents/variants.ts';
import { until, type Cluster, type Runner } from './cluster.ts';
import { said, sentTo } from './events.ts';

interface Asked {
  readonly text: string;
  /** What its caller was told, from whichever runner. */
  answer: { readonly turnId: string; readonly stopReason: string } | { readonly code: string };
}

/** Prompts after a whole life, of four writes or more each; a death comes within thirty writes or two and a half seconds. */
const MOST_MORE = 50;

let lineages = 0;

export class ActorLineage {
  readonly #cluster: Cluster;
  readonly #key: string;
  readonly #variant: AgentVariant;
  readonly #asked: Asked[] = [];
  readonly #seen = new Map<number, SessionEvent>();
  /** Tells this lineage's words from others', in a log that all agents share. */
  readonly #name = `l${++lineages}x`;
  #rounds = 0;

  constructor(cluster: Cluster, key: string, variant: AgentVariant) {
    this.#cluster = cluster;
    this.#key = key;
    this.#variant = variant;
  }

  get #actor() {
    return this.#cluster.client().sessions.getOrCreate([this.#key]);
  }

  /** Runs a life of the session until its runner dies, which it must; then gives it another and checks. */
  async dieIn(runner: Runner): Promise<void> {
    const n = ++this.#rounds;
    const life = this.#live(n, runner);
    await Promise.race([runner.exited, life]);
    await until(() => this.#cluster.agents().length === 0, 'I7: no agent is left');
    await this.#cluster.startRunner();
    // What was under way is answered by the next runner: RivetKit delivers it again.
    await life;
    await this.#check();
  }

  /** Ends only after the runner's death: one that lived on would die in the checks, where no other follows it. */
  async #live(n: number, runner: Runner): Promise<void> {
    let dead = false;
    void runner.exited.then(() => (dead = true));
    // A create that was cut and delivered again finds what it made.
    await insisting(() => this.#actor.create({ agent: this.#variant, cwd: '/tmp', sessionId: 'main' })).catch(expectCode('session_exists'));
    const name = this.#name;
    await this.#ask(`My item ${name}${n}a is v${n}a.`);
    await this.#ask(`ask permission ${name}${n}`);
    await insisting(() => this.#actor.setMode('main', n % 2 === 0 ? 'chatty' : 'brief'));
    await this.#look();
    await insisting(() => this.#actor.sleep());
    await this.#ask(`My item ${name}${n}b is v${n}b.`);
    await this.#look();
    for (let more = 1; !dead; more++) {
      // So many prompts may take less than the instant that was chosen.
      if (more > MOST_MORE) await Promise.race([runner.exited, new Promise((resolve) => setTimeout(resolve, 30_000))]);
      if (more > MOST_MORE && !dead) throw new Error(`The runner was to die, and lived through ${MOST_MORE} prompts more.`);
      await this.#ask(`My item ${name}${n}m${more} is v${n}m${more}.`);
    }
  }

  /** As a careful client does: with a key, and again with the same one while RivetKit itself says that it could not. */
  async #ask(text: string): Promise<void> {
    const answer = await insisting(() => this.#actor.prompt('main', text, { idempotencyKey: text })).then(
      ({ turnId, stopReason }) => ({ turnId, stopReason }),
      (error: unknown) => ({ code: (error as { code: string }).code }),
    );
    this.#asked.push({ text, answer });
  }

  async #look(): Promise<void> {
    for (const event of await insisting(() => this.#actor.history('main'))) {
      const before = this.#seen.get(event.seq);
      if (before) expect(event, `I2: event ${event.seq} is shown the same to everyone`).toEqual(before);
      this.#seen.set(event.seq, event);
    }
  }

  async #check(): Promise<void> {
    const n = this.#rounds;
    await this.#look();
    await this.#ask(`My item ${this.#name}${n}w is w${n}.`);
    const told = this.#asked.at(-1);
    expect(told?.answer, 'the next prompt works').toMatchObject({ stopReason: 'end_turn' });
    const { turnId } = await insisting(() => this.#actor.prompt('main', 'What do you remember?', { idempotencyKey: `what ${n}` }));
    const events = await this.#actor.history('main');
    expect(
      events.map((event) => event.seq),
      'I3: numbers without gaps',
    ).toEqual(events.map((_, index) => index + 1));
    for (const [seq, event] of this.#seen) expect(events[seq - 1], `I2: what was shown is never lost (event ${seq})`).toEqual(event);
    const remembered = said(events, turnId);
    const log = this.#cluster.agentLog();
    const users = events.flatMap((event) =>
      event.kind === 'update' && event.payload.sessionUpdate === 'user_message_chunk' && event.payload.content.type === 'text'
        ? [event.payload.content.text]
        : [],
    );
    for (const { text, answer } of this.#asked) {
      const stored = users.filter((user) => user === text).length;
      expect(sentTo(log, text), `I5: “${text}” was sent at most once`).toBeLessThanOrEqual(1);
      expect(
        stored,
        `I1, I3: “${text}” is stored once; sent ${sentTo(log, text)} times, and its caller was told ${JSON.stringify(answer)}`,
      ).toBe(1);
      const [, item, value] = /^My item (\w+) is (\w+)\.$/.exec(text) ?? [];
      if ('code' in answer) expect(answer.code, `“${text}”`).toBe('turn_outcome_unknown');
      else if (item) expect(remembered, `I4: ${item} was acknowledged and is remembered`).toContain(`item ${item}: ${value}`);
    }
    const started = events.filter((event) => event.kind === 'turn_started').length;
    expect(events.filter((event) => event.kind === 'turn_ended').length, 'I12: every turn has ended, once').toBe(started);
  }
}

function expectCode(code: string) {
  return (error: unknown) => {
    if ((error as { code?: string }).code !== code) throw error;
  };
}

/** Repeats a call that never reached the actor, or whose way was lost. What the actor itself said stands. */
async function insisting<T>(call: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + 90_000; ; await new Promise((resolve) => setTimeout(resolve, 250))) {
    try {
      return await call();
    } catch (error) {
      if ((error as { group?: string }).group === 'user' || Date.now() > deadline) throw error;
    }
  }
}
