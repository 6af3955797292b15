/** What all parts of an examination share, and the agent's lives: each is a new process. */
import { classifyResumeFailure } from '../../engine/resume/classify.ts';
import { readInitialize, type AgentFacts } from '../../engine/protocol/v1.ts';
import type { AgentLauncher } from '../../engine/ports.ts';
import { startAgent, INITIALIZE, type Answer, type ExaminedAgent } from './agent.ts';
import type { Message } from './messages.ts';
import type { CheckId, Findings, UnknownSessionAnswer } from './report.ts';
import { failureWords } from './agent.ts';

export interface Examination {
  readonly launcher: AgentLauncher;
  /** A scratch directory, the working directory of every session. */
  readonly cwd: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly findings: Findings;
}

/** What the first life left behind for the later ones. */
export interface Patient {
  readonly facts: AgentFacts;
  /** The session that was prompted, or null when none could be made. */
  readonly sessionId: string | null;
  /** A session that was only created. */
  readonly neverPromptedId: string | null;
  /** What was said in the session so far; a successful revival adds to it. */
  readonly said: Message[];
  /** Whether prompts are sent and answered. */
  readonly prompts: boolean;
  /** What the agent was told, when it could say it back while it was still alive; else its memory cannot be judged. */
  readonly codeword: string | null;
  /** Why a session is missing, for the checks that need one. */
  readonly withoutSession: string;
}

export const CODEWORD_QUESTION = 'What is the codeword? Answer with the codeword only, without using any tool.';

export const prompt = (text: string): readonly unknown[] => [{ type: 'text', text }];

/** Starts the agent for one part of the examination; its process tree is gone afterwards, whatever happened. */
export async function life<T>(examination: Examination, work: (agent: ExaminedAgent, initialized: Answer) => Promise<T>): Promise<T> {
  const { launcher, signal } = examination;
  const agent = await startAgent(launcher, examination);
  const onAbort = (): void => void agent.end('kill');
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await work(agent, await agent.ask('initialize', INITIALIZE));
  } finally {
    signal.removeEventListener('abort', onAbort);
    await agent.end('kill');
  }
}

/** A life that is only of use when `initialize` works again; a check that finds otherwise fails. */
export function revived(
  examination: Examination,
  checks: readonly CheckId[],
  work: (agent: ExaminedAgent) => Promise<void>,
): Promise<void> {
  return life(examination, async (agent, initialized) => {
    const bad = initialized.kind === 'answered' ? readInitialize(initialized.result) : failureWords('initialize', initialized);
    if (typeof bad !== 'string') return work(agent);
    for (const id of checks) examination.findings.fail(id, `Started again, it ${bad}.`, initialized.ms);
  });
}

/** Whether the agent's list shows a session; every page is read, and an error proves nothing. */
export async function listed(agent: ExaminedAgent, sessionId: string, cwd: string): Promise<'present' | 'absent' | 'unknown'> {
  let cursor: string | undefined;
  const seen = new Set<string>();
  for (let page = 0; page < 100; page++) {
    const answer = await agent.ask('session/list', { cwd, ...(cursor === undefined ? {} : { cursor }) });
    if (answer.kind !== 'answered') return 'unknown';
    const { sessions, nextCursor } = (answer.result ?? {}) as { sessions?: unknown; nextCursor?: unknown };
    if (!Array.isArray(sessions)) return 'unknown';
    if (sessions.some((session) => (session as { sessionId?: unknown } | null)?.sessionId === sessionId)) return 'present';
    if (nextCursor === undefined || nextCursor === null) return 'absent';
    // A cursor that is no string or comes round again never ends.
    if (typeof nextCursor !== 'string' || seen.has(nextCursor)) return 'unknown';
    seen.add(nextCursor);
    cursor = nextCursor;
  }
  return 'unknown';
}

/** How a client reads an answer to load or resume, asking the list where the error alone does not tell. */
export async function readAs(
  agent: ExaminedAgent,
  answer: Answer,
  context: { method: 'session/load' | 'session/resume'; sessionId: string; cwd: string; canList: boolean },
): Promise<{ outcome: UnknownSessionAnswer; evidence: string }> {
  if (answer.kind === 'answered') return { outcome: 'success', evidence: 'it answered with success' };
  if (answer.kind === 'hung') return { outcome: 'hang', evidence: failureWords(context.method, answer) };
  if (answer.kind === 'ended') return { outcome: 'crash', evidence: failureWords(context.method, answer) };
  const about = { method: context.method, agentSessionId: context.sessionId };
  const alone = classifyResumeFailure(answer.error, about);
  if (!context.canList || (alone.outcome !== 'indeterminate' && !alone.weak)) return alone;
  return classifyResumeFailure(answer.error, { ...about, listed: await listed(agent, context.sessionId, context.cwd) });
}
