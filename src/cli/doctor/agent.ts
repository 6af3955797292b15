/** The agent under test: one process of it after the other, what it is asked, and everything it says in order. */
import { fieldsOf } from '../../engine/protocol/updates.ts';
import { openConnection, within } from '../../engine/protocol/connection.ts';
import type { IncomingRequest, RpcError, RpcResponse } from '../../engine/protocol/json-rpc.ts';
import type { AgentFacts } from '../../engine/protocol/agent-protocol.ts';
import { readInitialize } from '../../engine/protocol/versions.ts';
import { DEFAULT_LIMITS } from '../../engine/limits.ts';
import { describeExit, type AgentLauncher } from '../../engine/ports.ts';
import type { ContentBlock } from '../../engine/types.ts';
import { classifyResumeFailure } from '../../engine/resume/classify.ts';
import { quote, seconds } from '../format.ts';
import { messagesIn, type Message } from './messages.ts';
import type { CheckId, Findings, UnknownSessionAnswer } from './report.ts';

export interface Examination {
  readonly launcher: AgentLauncher;
  /** A scratch directory, the working directory of every session. */
  readonly cwd: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** The agent's method to sign in with at each start. */
  readonly auth: string | undefined;
  readonly findings: Findings;
}

/** What came of a request. Nothing that an agent does throws. */
export type Answer =
  | {
      readonly kind: 'answered';
      readonly result: unknown;
      readonly ms: number;
      /** Updates that had come before it. */ readonly updates: number;
    }
  | { readonly kind: 'refused'; readonly error: RpcError; readonly ms: number }
  | { readonly kind: 'hung'; readonly ms: number }
  | { readonly kind: 'ended'; readonly how: string; readonly ms: number };

export function errorWords({ code, message, data }: RpcError): string {
  const more = data === undefined ? '' : `, data ${quote(JSON.stringify(data) ?? 'undefined')}`;
  return `error ${String(code).replace('-', '−')} ${quote(message)}${more}`;
}

/** What an agent did instead of a good answer: “answered session/load with error …”. */
export function failureWords(method: string, answer: Exclude<Answer, { kind: 'answered' }>): string {
  switch (answer.kind) {
    case 'refused':
      return `answered ${method} with ${errorWords(answer.error)}`;
    case 'hung':
      return `did not answer ${method} within ${seconds(answer.ms)}`;
    case 'ended':
      return `${answer.how} before it answered ${method}`;
  }
}

/** Whether the agent wants somebody to sign in. */
export function wantsAuth(answer: Answer): boolean {
  if (answer.kind !== 'refused') return false;
  return classifyResumeFailure(answer.error, { method: 'session/new', agentSessionId: '' }).outcome === 'auth_required';
}

export function sessionIdOf(result: unknown): string | null {
  const { sessionId } = fieldsOf(result);
  return typeof sessionId === 'string' && sessionId !== '' ? sessionId : null;
}

/** How many updates of one process are kept; a doctor's conversation has a few dozen. */
const KEPT_UPDATES = 10_000;

export const INITIALIZE = {
  protocolVersion: 1,
  clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
  clientInfo: { name: 'rehydrate-doctor', version: '1' },
};

/** Permission is never given: the doctor has no use for tools. */
export async function answerAgent(request: IncomingRequest): Promise<RpcResponse> {
  if (request.method !== 'session/request_permission') return { error: { code: -32601, message: `Method not found: ${request.method}` } };
  const options = request.params['options'];
  const reject = Array.isArray(options)
    ? options.find((option: { kind?: unknown }) => String(option?.kind).startsWith('reject'))
    : undefined;
  return {
    result: { outcome: reject ? { outcome: 'selected', optionId: (reject as { optionId: string }).optionId } : { outcome: 'cancelled' } },
  };
}

/** One process of the agent. */
export interface RunningAgent {
  /** The updates so far, oldest first. */
  readonly updates: readonly unknown[];
  /** Sends a request and waits for its answer as long as the doctor's patience lasts. */
  ask(method: string, params: unknown): Promise<Answer>;
  /** Waits until no update has come for a while: late replay is part of what is examined. */
  quiet(): Promise<void>;
  end(): Promise<void>;
}

/**
 * Starts the agent for some of the checks; its process tree is gone afterwards, whatever happened. Rejects with
 * `RehydrateError` when it cannot be started.
 */
export async function withAgent<T>(examination: Examination, work: (agent: RunningAgent, initialized: Answer) => Promise<T>): Promise<T> {
  const { signal, auth } = examination;
  const agent = await startAgent(examination);
  const onAbort = (): void => void agent.end();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const initialized = await agent.ask('initialize', INITIALIZE);
    // What came of it, the next answer shows.
    if (auth !== undefined && initialized.kind === 'answered') await agent.ask('authenticate', { methodId: auth });
    return await work(agent, initialized);
  } finally {
    signal.removeEventListener('abort', onAbort);
    await agent.end();
  }
}

/** The same once more, for one check, which is of use only when `initialize` works again; where it does not, the check fails. */
export function withAgentAgain<T>(examination: Examination, check: CheckId, work: (agent: RunningAgent) => Promise<T>): Promise<T | null> {
  return withAgent(examination, async (agent, initialized) => {
    const bad = initialized.kind === 'answered' ? readInitialize(initialized.result) : failureWords('initialize', initialized);
    if (typeof bad !== 'string') return work(agent);
    examination.findings.fail(check, `Started again, it ${bad.replace(/^it /, '')}.`, initialized.ms);
    return null;
  });
}

async function startAgent({ launcher, cwd, timeoutMs, signal }: Examination): Promise<RunningAgent> {
  const updates: unknown[] = [];
  let lastUpdate = performance.now();
  const link = await openConnection(launcher, { agent: 'agent', cwd, sessionId: 'doctor' }, signal, {
    onRequest: answerAgent,
    onNotification(method, params) {
      if (method !== 'session/update' || updates.length >= KEPT_UPDATES) return;
      lastUpdate = performance.now();
      const { update, _meta: meta } = params;
      // What marks a notice may stand beside the update or in it.
      updates.push(meta === undefined ? update : { _meta: meta, ...fieldsOf(update) });
    },
    room: () => Promise.resolve(),
  });
  return {
    updates,
    ask(method, params) {
      const began = performance.now();
      const took = (): number => performance.now() - began;
      return new Promise((resolve) => {
        const timer = setTimeout(() => resolve({ kind: 'hung', ms: took() }), timeoutMs);
        const done = (answer: Answer): void => {
          clearTimeout(timer);
          resolve(answer);
        };
        // `settle` runs in the order of messages, so the count tells what came before the response.
        link.start(method, params, (response) => {
          if (response === null)
            void link.gone.then((exit) =>
              done({ kind: 'ended', how: `${describeExit(exit)}${lastWords(link.diagnostics())}`, ms: took() }),
            );
          else if ('error' in response) done({ kind: 'refused', error: response.error, ms: took() });
          else done({ kind: 'answered', result: response.result, ms: took(), updates: updates.length });
        });
      });
    },
    async quiet() {
      const deadline = performance.now() + DEFAULT_LIMITS.replayMaxMs;
      lastUpdate = performance.now();
      for (;;) {
        const now = performance.now();
        const wait = Math.min(lastUpdate + DEFAULT_LIMITS.replayQuietMs, deadline) - now;
        if (wait <= 0 || link.exit !== null) return;
        await within(link.gone, wait);
      }
    },
    async end() {
      await link.end('kill');
    },
  };
}

/** The last line an agent wrote for people, which mostly says why it went. */
function lastWords(diagnostics: string): string {
  const line = diagnostics
    .trim()
    .split('\n')
    .findLast((one) => /[A-Za-z]{3}/.test(one) && !/^\s*at |^Node\.js v/.test(one));
  return line === undefined ? '' : ` (it wrote ${quote(line)})`;
}

/** One turn of words, perhaps with something in front; what was said is added to `said` when the agent answered. */
export async function promptAgent(
  agent: RunningAgent,
  sessionId: string,
  text: string,
  said: Message[],
  inFront: readonly ContentBlock[] = [],
): Promise<{ answer: Answer; reply: readonly Message[] }> {
  const before = agent.updates.length;
  const answer = await agent.ask('session/prompt', { sessionId, prompt: [...inFront, { type: 'text', text }] });
  // Agents go on after the answer, and a host that is about to end one waits for that.
  if (answer.kind === 'answered') await agent.quiet();
  const reply = messagesIn(agent.updates.slice(before)).filter(({ role }) => role === 'agent');
  if (answer.kind === 'answered') said.push({ role: 'user', text }, ...reply);
  return { answer, reply };
}

/** Asks for a word it was told, differently each time: a replay that lacks one question could not be told from one that has them all. */
export async function askFor(
  agent: RunningAgent,
  sessionId: string,
  what: string,
  said: Message[],
  inFront: readonly ContentBlock[] = [],
): Promise<{ answer: Answer; reply: string }> {
  const nonce = crypto.randomUUID().slice(0, 4);
  const question = `Question ${nonce}: What is the ${what}? Answer with the ${what} only, without using any tool.`;
  const { answer, reply } = await promptAgent(agent, sessionId, question, said, inFront);
  return { answer, reply: reply.map(({ text }) => text).join(' ') };
}

/** Whether the agent's list shows a session; every page is read, and an error proves nothing. */
export async function listed(agent: RunningAgent, sessionId: string, cwd: string): Promise<'present' | 'absent' | 'unknown'> {
  let cursor: string | undefined;
  const seen = new Set<string>();
  for (let page = 0; page < 100; page++) {
    const answer = await agent.ask('session/list', { cwd, ...(cursor === undefined ? {} : { cursor }) });
    if (answer.kind !== 'answered') return 'unknown';
    const { sessions, nextCursor } = fieldsOf(answer.result);
    if (!Array.isArray(sessions)) return 'unknown';
    if (sessions.some((session) => sessionIdOf(session) === sessionId)) return 'present';
    if (nextCursor === undefined || nextCursor === null) return 'absent';
    // A cursor that is no string or comes round again never ends.
    if (typeof nextCursor !== 'string' || seen.has(nextCursor)) return 'unknown';
    seen.add(nextCursor);
    cursor = nextCursor;
  }
  return 'unknown';
}

export type NativeMethod = 'session/load' | 'session/resume';

export type AdvertisedMethod = NativeMethod | 'session/close';

export const supports = ({ canLoad, canResume, canClose }: AgentFacts, method: AdvertisedMethod): boolean =>
  ({ 'session/load': canLoad, 'session/resume': canResume, 'session/close': canClose })[method];

/** Asks the agent to take a session up, and reads what it answers as a client does: by the list where the error alone does not tell. */
export async function takeUp(
  agent: RunningAgent,
  method: NativeMethod,
  sessionId: string,
  { cwd }: Examination,
  { canList }: AgentFacts,
): Promise<{ answer: Answer; outcome: UnknownSessionAnswer; evidence: string }> {
  const answer = await agent.ask(method, { sessionId, cwd, mcpServers: [] });
  if (answer.kind === 'answered') return { answer, outcome: 'success', evidence: 'it answered with success' };
  if (answer.kind !== 'refused')
    return { answer, outcome: answer.kind === 'hung' ? 'hang' : 'crash', evidence: failureWords(method, answer) };
  const about = { method, agentSessionId: sessionId };
  const alone = classifyResumeFailure(answer.error, about);
  if (!canList || (alone.outcome !== 'indeterminate' && !alone.weak)) return { answer, ...alone };
  return { answer, ...classifyResumeFailure(answer.error, { ...about, listed: await listed(agent, sessionId, cwd) }) };
}
