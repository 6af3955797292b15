/** The agent under test: one process of it after the other, what it is asked, and everything it says in order. */
import { type AgentProtocol, RPC, type TurnAnswer } from '../../engine/protocol/agent-protocol.ts';
import { type Connection, openConnection, type Outcome, type Patience, within } from '../../engine/protocol/connection.ts';
import type { IncomingRequest, RpcError, RpcResponse } from '../../engine/protocol/json-rpc.ts';
import { fieldsOf } from '../../engine/protocol/updates.ts';
import { introduce, type Unusable } from '../../engine/protocol/versions.ts';
import { DEFAULT_LIMITS } from '../../engine/limits.ts';
import type { AgentLauncher } from '../../engine/ports.ts';
import { classifyResumeFailure } from '../../engine/resume/classify.ts';
import { askList } from '../../engine/sessions/resume.ts';
import type { ContentBlock, ProtocolChoice } from '../../engine/types.ts';
import { quote, seconds } from '../format.ts';
import { type Message, messagesIn } from './messages.ts';
import type { How, UnknownSessionAnswer } from './report.ts';

export interface Setting {
  /** Its program's, by which errors name it. */
  readonly name: string;
  readonly launcher: AgentLauncher;
  readonly cwd: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly auth: string | undefined;
  readonly protocol: ProtocolChoice;
}

/** What came of a request, and in words what the agent did instead of a good answer: “answered session/load with error …”. */
export type Answer<T = unknown> = Outcome<T> & {
  readonly ms: number;
  /** How many updates had come before it. */
  readonly updates: number;
  readonly failure: string;
};

export function errorWords({ code, message, data }: RpcError): string {
  const more = data === undefined ? '' : `, data ${quote(JSON.stringify(data) ?? 'undefined')}`;
  return `error ${String(code).replace('-', '−')} ${quote(message)}${more}`;
}

export function wantsAuth(answer: Answer): boolean {
  if (answer.kind !== 'refused') return false;
  return classifyResumeFailure(answer.error, { method: 'session/new', agentSessionId: '' }).outcome === 'auth_required';
}

/** How many updates of one process are kept; a doctor's conversation has a few dozen. */
const KEPT_UPDATES = 10_000;

const CLIENT = {
  capabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
  info: { name: 'rehydrate-doctor', version: '1' },
};

/** Permission is never given: the doctor has no use for tools. */
async function answerAgent({ method, params: { options } }: IncomingRequest): Promise<RpcResponse> {
  if (method !== 'session/request_permission') return { error: { code: RPC.methodNotFound, message: `Method not found: ${method}` } };
  const { optionId } = fieldsOf(
    Array.isArray(options) ? options.find((option) => String(fieldsOf(option)['kind']).startsWith('reject')) : undefined,
  );
  return { result: { outcome: optionId === undefined ? { outcome: 'cancelled' } : { outcome: 'selected', optionId } } };
}

export type Introduction = Awaited<ReturnType<RunningAgent['introduce']>>;

export class RunningAgent {
  readonly updates: unknown[] = [];
  protocol!: AgentProtocol;
  private link!: Connection;
  private readonly timeoutMs: number;
  private lastUpdate = performance.now();
  /** How many updates there were when it answered last. */
  private heard = 0;

  private constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs;
  }

  /** Rejects with `RehydrateError` when it cannot be started. */
  static async start({ name, launcher, cwd, timeoutMs, signal }: Setting): Promise<RunningAgent> {
    const agent = new RunningAgent(timeoutMs);
    agent.link = await openConnection(launcher, { agent: name, cwd, sessionId: 'doctor' }, signal, {
      onRequest: answerAgent,
      onNotification: (method, params) => agent.hear(method, params),
      room: () => null,
    });
    return agent;
  }

  private hear(method: string, params: Readonly<Record<string, unknown>>): void {
    const said = this.protocol?.readNotification(method, params);
    if (said?.kind !== 'update') return;
    this.lastUpdate = performance.now();
    // What marks a notice may stand beside the update or in it.
    const { update, meta } = said;
    if (this.updates.length < KEPT_UPDATES) this.updates.push(meta === undefined ? update : { _meta: meta, ...update });
    said.after?.();
  }

  /** Its facts, or in words what was wrong instead; whether it keeps to ACP, in a version that is not examined; whether it said nothing at all. */
  async introduce(choice: ProtocolChoice) {
    // As the engine's, and it is known what had come before an answer: what follows it is read after this.
    const call: Connection['call'] = (method, params, patience) =>
      this.link.call(method, params, patience).then((outcome) => {
        this.heard = this.updates.length;
        return outcome;
      });
    const found: Unusable[] = [];
    const { kind, failure, ms } = await this.timed(async (patience): Promise<Outcome> => {
      const introduced = await introduce({ ...this.link, call }, choice, CLIENT, patience);
      if (!('kind' in introduced)) this.protocol = introduced;
      else if (introduced.kind === 'unusable') found.push(introduced);
      else return introduced;
      return { kind: 'answered', value: null };
    });
    const [{ why, otherVersion } = { why: failure, otherVersion: false }] = found;
    return { facts: this.protocol?.facts ?? null, failure: why, otherVersion, ms, mute: kind === 'hung' || kind === 'ended' };
  }

  /** Asks, and waits for the answer as long as the doctor's patience lasts. */
  ask<T>(call: (protocol: AgentProtocol, patience: Patience) => Promise<Outcome<T>>): Promise<Answer<T>> {
    return this.timed((patience) => call(this.protocol, patience));
  }

  private async timed<T>(call: (patience: Patience) => Promise<Outcome<T>>): Promise<Answer<T>> {
    const began = performance.now();
    const outcome = await call({ ms: this.timeoutMs });
    const ms = performance.now() - began;
    return { ...outcome, ms, updates: this.heard, failure: await this.failureWords(outcome, ms) };
  }

  private async failureWords(outcome: Outcome, ms: number): Promise<string> {
    switch (outcome.kind) {
      case 'answered':
        return '';
      case 'refused':
        return `answered ${outcome.method} with ${errorWords(outcome.error)}`;
      case 'hung':
        return `did not answer ${outcome.method} within ${seconds(ms)}`;
      case 'ended':
        await this.link.gone;
        return `${this.link.exitDescription}${lastWords(this.link.diagnostics())} before it answered ${outcome.method}`;
    }
  }

  /** A new session's id, null when none was made or named. What greets its user has come, too. */
  async newSession(cwd: string): Promise<Answer & { readonly sessionId: string | null }> {
    const answer = await this.ask((protocol, patience) => protocol.newSession(sessionIn(cwd), patience));
    const sessionId = answer.kind === 'answered' ? answer.value.agentSessionId : null;
    if (sessionId !== null) await this.quiet();
    return { ...answer, sessionId };
  }

  /** One turn of words, perhaps with something in front; its value is the stop reason. What was said is added to `said` when it was answered. */
  async prompt(sessionId: string, text: string, said: Message[], inFront: readonly ContentBlock[] = []) {
    const before = this.updates.length;
    const method = 'session/prompt';
    const answer = await this.ask(async (protocol, { ms }): Promise<Outcome<string | null>> => {
      const over = new Promise<TurnAnswer | null>((resolve) => protocol.prompt(sessionId, [...inFront, { type: 'text', text }], resolve));
      const turn = await within(over, ms);
      if (turn === undefined) return { kind: 'hung', method, afterMs: ms };
      if (turn === null) return { kind: 'ended', method };
      if (turn.kind === 'refused') return { kind: 'refused', method, error: turn.error };
      return { kind: 'answered', value: turn.kind === 'stopped' ? turn.stopReason : null };
    });
    // Agents go on after the answer, and a host that is about to end one waits for that.
    if (answer.kind === 'answered') await this.quiet();
    const reply = messagesIn(this.updates.slice(before)).filter(({ role }) => role === 'agent');
    if (answer.kind === 'answered') said.push({ role: 'user', text }, ...reply);
    return { answer, reply };
  }

  /** Asks for a word it was told, differently each time: a replay that lacks one question could not be told from one that has them all. */
  async askFor(sessionId: string, what: string, said: Message[], inFront: readonly ContentBlock[] = []) {
    const nonce = crypto.randomUUID().slice(0, 4);
    const question = `Question ${nonce}: What is the ${what}? Answer with the ${what} only, without using any tool.`;
    const { answer, reply } = await this.prompt(sessionId, question, said, inFront);
    return { answer, reply: reply.map(({ text }) => text).join(' ') };
  }

  listed(sessionId: string, cwd: string) {
    return askList(this, sessionId, cwd, { limits: { ...DEFAULT_LIMITS, listMs: this.timeoutMs } });
  }

  /** Asks the agent to take a session up, and reads what it answers as a client does: by the list where the error alone does not tell. */
  async takeUp(how: How, sessionId: string, cwd: string): Promise<{ answer: Answer; outcome: UnknownSessionAnswer; evidence: string }> {
    const answer = await this.ask((protocol, patience) => protocol.takeUp(how, sessionId, sessionIn(cwd), patience));
    if (answer.kind === 'answered') return { answer, outcome: 'success', evidence: 'it answered with success' };
    if (answer.kind !== 'refused') return { answer, outcome: answer.kind === 'hung' ? 'hang' : 'crash', evidence: answer.failure };
    const about = { method: `session/${how}`, agentSessionId: sessionId } as const;
    const alone = classifyResumeFailure(answer.error, about);
    if (!this.protocol.facts.canList || (alone.outcome !== 'indeterminate' && !alone.weak)) return { answer, ...alone };
    return { answer, ...classifyResumeFailure(answer.error, { ...about, listed: await this.listed(sessionId, cwd) }) };
  }

  /** Waits until no update has come for a while: late replay is part of what is examined. */
  async quiet(): Promise<void> {
    const deadline = performance.now() + DEFAULT_LIMITS.replayMaxMs;
    this.lastUpdate = performance.now();
    for (;;) {
      const now = performance.now();
      const wait = Math.min(this.lastUpdate + DEFAULT_LIMITS.replayQuietMs, deadline) - now;
      if (wait <= 0 || this.died) return;
      await within(this.link.gone, wait);
    }
  }

  get died(): boolean {
    return this.link.exit !== null;
  }

  diagnostics(): string {
    return this.link.diagnostics();
  }

  async end(): Promise<void> {
    await this.link.end('kill');
  }
}

const sessionIn = (cwd: string) => ({ cwd, mcpServers: [], additionalDirectories: [] });

/** The last line an agent wrote for people, which mostly says why it went. */
function lastWords(diagnostics: string): string {
  const line = diagnostics
    .trim()
    .split('\n')
    .findLast((one) => /[A-Za-z]{3}/.test(one) && !/^\s*at |^Node\.js v/.test(one));
  return line === undefined ? '' : ` (it wrote ${quote(line)})`;
}

/** Starts the agent for some of the checks; its process tree is gone afterwards, whatever happened. */
export async function withAgent<T>(setting: Setting, work: (agent: RunningAgent, introduction: Introduction) => Promise<T>): Promise<T> {
  const { signal, auth, protocol } = setting;
  const agent = await RunningAgent.start(setting);
  const onAbort = (): void => void agent.end();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const introduction = await agent.introduce(protocol);
    // What came of it, the next answer shows.
    if (auth !== undefined && introduction.facts) await agent.ask((speak, patience) => speak.authenticate(auth, patience));
    return await work(agent, introduction);
  } finally {
    signal.removeEventListener('abort', onAbort);
    await agent.end();
  }
}
