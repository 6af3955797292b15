/**
 * One session through many deaths. A lineage keeps what its hosts acknowledged, and after each death
 * holds the record, the agents' log and the process table to it; then a host of this process wakes the
 * session and everything must still be there.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'vitest';
import {
  createHost,
  RehydrateError,
  type Host,
  type ResumeReport,
  type SessionEvent,
  type SqlDatabase,
} from '../../../src/engine/index.ts';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { stdioLauncher } from '../../../src/adapters/stdio/index.ts';
import type { AgentVariant } from '../../../src/testing/agents/variants.ts';
import { PROTOCOL } from '../../support/protocol.ts';
import { readAgentLog } from './agent-log.ts';
import { AGENT, SESSION, type HostLine, type Plan, type Step } from './plan.ts';
import { leftAfter, processesOf } from './processes.ts';
import { AGENT_FILE, HOST_FILE } from './programs.ts';

/** How long is waited for everything of a killed host to be gone (I7: by itself). A guard has to notice, on a busy machine too. */
const GONE_MS = 60_000;

interface Asked {
  readonly key: string;
  readonly text: string;
  /** Set when the host said how it came out. */
  answer?: { readonly turnId: string; readonly stopReason: string } | { readonly code: string };
}

export interface Death {
  readonly signal: NodeJS.Signals | null;
  readonly code: number | null;
  readonly lines: readonly HostLine[];
  /** The events among them that no host had shown before: a follower starts at the first event. */
  readonly news: readonly SessionEvent[];
  readonly stderr: string;
}

export class Lineage {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'rehydrate-faults-'));
  readonly store = path.join(this.directory, 'store');
  readonly log = path.join(this.directory, 'agent.log');
  readonly database = path.join(this.directory, 'sessions.sqlite');
  readonly variant: AgentVariant;
  readonly pace: number;
  /** By seq, everything that was shown to a subscriber. */
  readonly #seen = new Map<number, SessionEvent>();
  readonly #asked: Asked[] = [];
  #rounds = 0;

  constructor(variant: AgentVariant, pace = 0.2) {
    this.variant = variant;
    this.pace = pace;
    mkdirSync(this.store);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** What the agents wrote down. */
  get agentLog() {
    return readAgentLog(this.log);
  }

  /** A life of a host, with everything in it that writes. */
  nextSteps(): Step[] {
    const n = ++this.#rounds;
    return [
      { do: 'prompt', text: `My item ${n}a is v${n}a.`, key: `${n}a` },
      { do: 'prompt', text: `ask permission ${n}`, key: `${n}p`, permit: n % 2 === 0 },
      { do: 'cancelled-prompt', text: `stream 400 chunks ${n}`, key: `${n}c` },
      { do: 'mode', modeId: n % 2 === 0 ? 'chatty' : 'brief' },
      { do: 'sleep-wake' },
      { do: 'prompt', text: `My item ${n}b is v${n}b.`, key: `${n}b` },
    ];
  }

  plan(steps: readonly Step[], kill?: Plan['kill']): Plan {
    return {
      database: this.database,
      agent: { file: AGENT_FILE, variant: this.variant, store: this.store, log: this.log, pace: this.pace },
      steps,
      ...(kill ? { kill } : {}),
    };
  }

  /** Runs a host process to its end. `during` may kill something meanwhile; `up` settles when the host has said that it is, or has gone. */
  async live(plan: Plan, during?: (pid: number, up: Promise<unknown>) => Promise<void>): Promise<Death> {
    const child = spawn(process.execPath, [HOST_FILE, JSON.stringify(plan)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: this.directory },
    });
    let out = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const closed = new Promise<Pick<Death, 'code' | 'signal'>>((resolve) =>
      child.once('exit', (code, signal) => resolve({ code, signal })),
    );
    const read = new Promise((resolve) => child.stdout.once('close', resolve));
    // It is the first that a host says.
    await during?.(child.pid!, Promise.race([once(child.stdout, 'data'), closed]));
    const ended = await closed;
    await read;
    const lines = out
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .flatMap(parsed);
    const news = lines.flatMap((line) => (line.is === 'event' && !this.#seen.has(line.event.seq) ? [line.event] : []));
    this.#learn(lines);
    return { ...ended, lines, news, stderr };
  }

  #learn(lines: readonly HostLine[]): void {
    for (const line of lines) {
      if (line.is === 'event') {
        const before = this.#seen.get(line.event.seq);
        if (before) expect(line.event, `I2: event ${line.event.seq} is shown the same to everyone`).toEqual(before);
        this.#seen.set(line.event.seq, line.event);
      } else if (line.is === 'asking') this.#asked.push({ key: line.key, text: line.text });
      else if (line.is === 'result') this.#answered(line.key, { turnId: line.turnId, stopReason: line.stopReason });
      else if (line.is === 'refused' && line.key !== null) this.#answered(line.key, { code: line.code });
    }
  }

  #answered(key: string, answer: NonNullable<Asked['answer']>): void {
    const asked = this.#asked.findLast((candidate) => candidate.key === key);
    if (asked) asked.answer = answer;
  }

  /** Every promise, after a death: first as the record lies there, then through a host that wakes it. */
  async checkAfterDeath(): Promise<ResumeReport | null> {
    await this.#checkNothingRuns();
    const database = await openNodeSqlite(this.database);
    try {
      const [row] = await database.query(`SELECT count(*) AS n FROM sqlite_schema WHERE name = 'acp_sessions'`);
      const [session] = row?.['n'] === 1 ? await database.query('SELECT agent_session_id FROM acp_sessions') : [];
      if (!session) {
        expect(this.#seen.size, 'nothing was shown of a session that was never written').toBe(0);
        return null;
      }
      await this.#checkRecord(database);
      const report = await this.#wake(database);
      await this.#checkRecord(database);
      const [left] = await database.query(`SELECT count(*) AS n FROM acp_turns WHERE state = 'running'`);
      expect(left?.['n'], 'I12: no turn is running').toBe(0);
      return report;
    } finally {
      await database.close();
    }
  }

  async #checkNothingRuns(): Promise<void> {
    const starts = this.agentLog.filter((line) => line.at === 'start');
    const marks = starts.map((line) => line.mark).filter((mark) => mark !== '');
    const left = await leftAfter(GONE_MS, () =>
      processesOf(
        this.directory,
        marks,
        starts.map((line) => line.pid),
      ),
    );
    expect(left, 'I7: no process is left').toEqual([]);
  }

  async #checkRecord(database: SqlDatabase): Promise<void> {
    expect(await database.query('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
    const host = await createHost({ database, agents: {} });
    const events = await host.history(SESSION);
    const { latestSeq } = await host.get(SESSION);
    await host.sleep();
    expect(
      events.map((event) => event.seq),
      'I3: numbers without gaps',
    ).toEqual(Array.from({ length: latestSeq }, (_, index) => index + 1));
    for (const [seq, event] of this.#seen) expect(events[seq - 1], `I2: what was shown is never lost (event ${seq})`).toEqual(event);
    this.#checkTurns(events, await database.query('SELECT * FROM acp_turns ORDER BY first_seq'));
  }

  #checkTurns(events: readonly SessionEvent[], turns: Awaited<ReturnType<SqlDatabase['query']>>): void {
    const sent = this.agentLog.filter((line) => line.at === 'prompt');
    const users = events.flatMap((event) =>
      event.kind === 'update' && event.payload.sessionUpdate === 'user_message_chunk' && event.payload.content.type === 'text'
        ? [event.payload.content.text]
        : [],
    );
    for (const { key, text, answer } of this.#asked) {
      const times = sent.filter((line) => line.text === text).length;
      const stored = users.filter((user) => user === text).length;
      const turn = turns.find((row) => row['idempotency_key'] === key);
      expect(stored, `I3: “${text}” is in the log once if it is a turn at all`).toBe(turn ? 1 : 0);
      expect(times, `I5: “${text}” was sent at most once`).toBeLessThanOrEqual(1);
      if (!turn) expect(times, `I1: “${text}” was not sent before it was stored`).toBe(0);
      if (answer && 'turnId' in answer) {
        expect(turn, `I2: the answer to “${text}” is kept`).toMatchObject({ turn_id: answer.turnId, stop_reason: answer.stopReason });
        expect(times).toBe(1);
      }
    }
    for (const row of turns) {
      const ends = events.filter((event) => event.kind === 'turn_ended' && event.turnId === row['turn_id']);
      expect(ends.length, 'a turn ends once, and is running before').toBe(row['state'] === 'running' ? 0 : 1);
      this.#checkSaid(events, String(row['turn_id']), String(row['state']));
    }
    const agentSessions = new Set(sent.map((line) => line.agentSessionId));
    for (const id of agentSessions) {
      const later = sent.filter((line) => line.agentSessionId === id).slice(1);
      expect(
        later.filter((line) => line.blocks > 1),
        'I6: a preamble only goes in front of the first prompt',
      ).toEqual([]);
    }
  }

  /** Nothing of an answer is there twice, in whichever life of the agent it was said. */
  #checkSaid(events: readonly SessionEvent[], turnId: string, state: string): void {
    const own = events
      .filter((event) => event.kind === 'update' && event.turnId === turnId)
      .map((event) => event.payload as { sessionUpdate: string; content?: { text?: string } });
    const question = own.find((update) => update.sessionUpdate === 'user_message_chunk')?.content?.text ?? '';
    const [, item, value] = /^My item (\w+) is (\w+)\.$/.exec(question) ?? [];
    if (!item) return;
    const said = own
      .filter((update) => update.sessionUpdate === 'agent_message_chunk')
      .map((update) => update.content?.text ?? '')
      .join('');
    const whole = ['Noted.', `Noted. Your item ${item}: ${value}.`];
    if (state === 'completed') expect(whole, `I3: the answer to “${question}” is there once`).toContain(said);
    else
      expect(
        whole.some((text) => text.startsWith(said)),
        `I3: what there is of the answer to “${question}” is there once: ${said}`,
      ).toBe(true);
  }

  async #wake(database: SqlDatabase): Promise<ResumeReport> {
    const { variant, store, log } = this;
    const agents = stdioLauncher({
      agents: { [AGENT]: { command: process.execPath, args: [AGENT_FILE, variant, store, log, '0.05'] } },
    });
    const host = await createHost({ database, agents, protocol: PROTOCOL });
    try {
      expect((await host.get(SESSION)).state, 'I9: a dead owner keeps nobody waiting').toBe('asleep');
      for (const asked of this.#asked.filter(({ answer }) => !answer || 'code' in answer)) await this.#askAgain(host, database, asked);
      const n = this.#rounds;
      const again = `My item ${n}w${this.#asked.length} is w${n}x${this.#asked.length}.`;
      const first = await this.#ask(host, again, `w${n}-${this.#asked.length}`);
      const { turnId } = await host.prompt(SESSION, 'What do you remember?');
      const said = (await host.history(SESSION))
        .filter((event) => event.turnId === turnId && event.kind === 'update')
        .map((event) =>
          (event.payload as { sessionUpdate: string }).sessionUpdate === 'agent_message_chunk'
            ? (event.payload as { content: { text: string } }).content.text
            : '',
        )
        .join('');
      for (const fact of this.#facts())
        expect(said, `I4: ${fact.item} was acknowledged and is remembered (${variant})`).toContain(`item ${fact.item}: ${fact.value}`);
      return first;
    } finally {
      await host.sleep();
    }
  }

  async #ask(host: Host, text: string, key: string): Promise<ResumeReport> {
    this.#asked.push({ key, text });
    const { turnId, stopReason, report } = await host.prompt(SESSION, text, { idempotencyKey: key });
    this.#answered(key, { turnId, stopReason });
    return report;
  }

  /** The key of a prompt that was cut off: what was stored is never sent again. */
  async #askAgain(host: Host, database: SqlDatabase, asked: Asked): Promise<void> {
    const [turn] = await database.query('SELECT turn_id, state FROM acp_turns WHERE idempotency_key = ?', [asked.key]);
    if (!turn) {
      // Never stored, so the key is unspent; a stream of 400 chunks need not be waited for again.
      if (asked.text.startsWith('My item')) {
        this.#asked.splice(this.#asked.indexOf(asked), 1);
        await this.#ask(host, asked.text, asked.key);
      }
      return;
    }
    const outcome = await host.prompt(SESSION, asked.text, { idempotencyKey: asked.key }).then(
      (result) => result,
      (error: unknown) => error,
    );
    // An agent that answered with an error has answered: that is what is stored.
    const unfit = turn['state'] === 'failed' ? 'agent_protocol_error' : 'turn_outcome_unknown';
    if (RehydrateError.is(outcome)) expect(outcome.code, `I5: ${outcome.message}`).toBe(unfit);
    else expect(outcome, 'the stored result').toMatchObject({ repeated: true, turnId: turn['turn_id'] });
  }

  /** What was told in turns whose answer was acknowledged. */
  #facts(): { item: string; value: string }[] {
    return this.#asked.flatMap(({ text, answer }) => {
      const [, item, value] = /^My item (\w+) is (\w+)\.$/.exec(text) ?? [];
      return item && value && answer && 'turnId' in answer && answer.stopReason === 'end_turn' ? [{ item, value }] : [];
    });
  }
}

/** A line that the kill cut off is no acknowledgement. */
function parsed(line: string): HostLine[] {
  try {
    return [JSON.parse(line) as HostLine];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}
