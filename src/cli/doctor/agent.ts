/** One process of the agent under test: asks it things, and keeps everything it says, in order. */
import {
  type AgentFacts,
  type AgentProtocol,
  type AgentUpdate,
  type NewAgentSession,
  RPC,
  type TurnAnswer,
  STOP_REASONS,
} from '../../engine/protocol/agent-protocol.ts';
import { type Connection, openConnection, type Outcome, type Patience } from '../../engine/protocol/connection.ts';
import { within } from '../../engine/waiting.ts';
import type { IncomingRequest, RpcError, RpcResponse } from '../../engine/protocol/json-rpc.ts';
import { fieldsOf } from '../../engine/objects.ts';
import { isConversation } from '../../engine/protocol/updates.ts';
import { introduce, type Unusable } from '../../engine/protocol/versions.ts';
import { DEFAULT_LIMITS } from '../../engine/limits.ts';
import { type AgentExit, type AgentLauncher, describeExit } from '../../engine/ports.ts';
import { classifyResumeFailure } from '../../engine/resume/classify.ts';
import { isForeign } from '../../engine/sessions/agent-session.ts';
import { askList } from '../../engine/sessions/session-list.ts';
import { redactTokens } from '../../engine/transcript/token-shapes.ts';
import type { ContentBlock, ProtocolChoice } from '../../engine/types.ts';
import { count, oneLine, quote, seconds } from '../format.ts';
import { type Conduct, noteNoise } from './conduct.ts';
import { type Message, messagesIn } from './messages.ts';
import { breach, fail, type Finding, type How, type UnknownSessionAnswer } from './report.ts';

export interface Setting {
  /** The name of its program, for errors. */
  readonly name: string;
  readonly launch: (note: (line: string) => void) => AgentLauncher;
  readonly cwd: string;
  readonly timeoutMs: number;
  readonly quietMs: number;
  readonly signal: AbortSignal;
  readonly auth: string | undefined;
  readonly protocol: ProtocolChoice;
  /** The ids of the sessions made by all its processes, in order. */
  readonly made: string[];
  readonly conduct: Conduct;
}

/** The outcome of a request. `failure` says what the agent did instead of a good answer, as in “answered session/load with error …”. */
export type Answer<T = unknown> = Outcome<T> & {
  readonly ms: number;
  /** How many updates, of any session, had come before the answer. */
  readonly updates: number;
  readonly failure: string;
};

export function describeRefusal({ code, message, data }: RpcError): string {
  const more = data === undefined ? '' : `, data ${quote(JSON.stringify(data) ?? 'undefined')}`;
  return `error ${String(code).replace('-', '−')} ${quote(message)}${more}`;
}

export const wantsAuth = (answer: Answer): boolean => readRefusal(answer, 'session/new') === 'auth_required';

/** How a client would classify an error; null for an answer that is none. */
export const readRefusal = (answer: Answer, method: 'session/new' | 'session/prompt', agentSessionId = '') =>
  answer.kind === 'refused' ? classifyResumeFailure(answer.error, { method, agentSessionId }).outcome : null;

/** The finding for a request without a good answer. An error breaks no rule: the agent may have its reasons for it. */
export const unmet = ({ kind, ms }: Answer, words: string): Finding => (kind === 'refused' ? fail : breach)(words, ms);

export interface Heard {
  /** The updates that named this session, or none. */
  readonly updates: readonly unknown[];
  /** Parts of a conversation that named another session. */
  readonly foreign: readonly AgentUpdate[];
}

/** A sentence about updates that named another session, with a space in front; empty if none did. */
export function describeForeign({ foreign: [first, ...more] }: Heard): string {
  if (first === undefined) return '';
  const id = quote(String(first.agentSessionId));
  return ` ${count(1 + more.length, 'update')} of the conversation named another session (${id}), and a client drops such.`;
}

/** Why a client expects a method, to follow “It”. Version 2 does not advertise what every agent has. */
export const offers = ({ facts }: RunningAgent, method: string): string =>
  facts.protocolVersion === 2 ? `speaks ACP 2, where every agent has ${method.replace('load', 'resume')}` : `advertises ${method}`;

interface Asked {
  readonly answer: Answer;
  readonly reply: string;
  readonly foreign: string;
}

/** What the agent did instead of saying what it was asked for, to the end of the sentence. */
export function instead({ answer, reply, foreign }: Asked): string {
  const said = reply === '' ? 'answered without a word' : `said ${quote(reply)}`;
  return `it ${answer.kind === 'answered' ? said : answer.failure}.${foreign}`;
}

export type TurnEnd = Extract<TurnAnswer, { kind: 'stopped' | 'garbled' }>;

/** What is wrong with the end of a turn, to follow “It”; null if nothing is. */
export function endFault(end: TurnEnd, version: number): string | null {
  if (end.kind === 'garbled')
    return `answered session/prompt without a ${version === 2 ? 'messageId' : 'stopReason'}: ${oneLine(JSON.stringify(end.said), 60)}`;
  const { stopReason } = end;
  // In version 2 agents may have stop reasons of their own, with an underscore.
  if (STOP_REASONS.has(stopReason) || (version === 2 && stopReason.startsWith('_'))) return null;
  return `ended its turn with the stop reason ${quote(stopReason)}, which ACP does not have`;
}

/** How much of a process's updates is kept. An examination causes a few dozen. */
const KEPT_UPDATES = 10_000;
const KEPT_CHARS = 16 * 1024 * 1024;

const CLIENT = {
  capabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
  info: { name: 'rehydrate-doctor', version: '1' },
};

/** Answers the agent's requests. Permission is never given, because the doctor needs no tools. */
async function answerAgent({ method, params: { options } }: IncomingRequest): Promise<RpcResponse> {
  if (method !== 'session/request_permission') return { error: { code: RPC.methodNotFound, message: `Method not found: ${method}` } };
  const { optionId } = fieldsOf(
    Array.isArray(options) ? options.find((option) => String(fieldsOf(option)['kind']).startsWith('reject')) : undefined,
  );
  return { result: { outcome: optionId === undefined ? { outcome: 'cancelled' } : { outcome: 'selected', optionId } } };
}

export type RunningAgent = Awaited<ReturnType<typeof startAgent>>;
export type Introduction = Awaited<ReturnType<RunningAgent['introduce']>>;

/** Starts one process of the agent. Rejects with `RehydrateError` when that fails. */
export async function startAgent(setting: Setting) {
  const { name, launch, cwd, timeoutMs, quietMs, signal, auth, protocol: choice, made, conduct } = setting;
  const updates: AgentUpdate[] = [];
  const place = { cwd, mcpServers: [], additionalDirectories: [] };
  let protocol!: AgentProtocol;
  let lastUpdate = performance.now();
  /** How many updates had come at the last answer. */
  let heard = 0;
  /** The method of the last request, its outcome, and how many requests are open. */
  let asked = 'its start';
  let last: Outcome | null = null;
  let asking = 0;
  let ending = false;
  let listFailure = '';
  let kept = 0;
  const link = await openConnection(
    launch((line) => {
      if (!ending) noteNoise(conduct, line, asked);
    }),
    { agent: name, cwd, sessionId: 'doctor' },
    signal,
    {
      onRequest: answerAgent,
      onNotification(method, params) {
        const said = protocol?.readNotification(method, params);
        if (said?.kind !== 'update') return;
        lastUpdate = performance.now();
        kept += JSON.stringify(params).length;
        if (updates.length < KEPT_UPDATES && kept <= KEPT_CHARS) updates.push(said);
        said.after?.();
      },
      room: () => null,
    },
    DEFAULT_LIMITS,
  );
  void link.gone.then((exit) => {
    if (protocol && asking === 0 && !ending) conduct.ends.push(`${describeEnd(exit)} after ${asked}`);
  });

  /** While this runs, an end of the agent is the answer to a request, not misconduct. */
  async function busy<T>(work: () => Promise<T>): Promise<T> {
    asking += 1;
    return work().finally(() => (asking -= 1));
  }

  const timed = <T>(call: (patience: Patience) => Promise<Outcome<T>>): Promise<Answer<T>> =>
    busy(async () => {
      const began = performance.now();
      const wasGone = link.ended;
      const outcome = await call({ ms: timeoutMs });
      const ms = performance.now() - began;
      return { ...outcome, ms, updates: heard, failure: await describeFailure(outcome, ms, wasGone) };
    });

  async function describeFailure(outcome: Outcome, ms: number, wasGone: boolean): Promise<string> {
    switch (outcome.kind) {
      case 'answered':
        return '';
      case 'refused':
        return `answered ${outcome.method} with ${describeRefusal(outcome.error)}`;
      case 'hung':
        return `did not answer ${outcome.method} within ${seconds(ms)}`;
      case 'ended':
        return `${describeEnd(await link.gone)} before it ${wasGone ? 'was asked' : 'answered'} ${outcome.method}`;
    }
  }

  const agent = {
    /** What it said in a session, oldest first, leaving out the first `since` updates of any session. */
    heard(sessionId: string, since = 0): Heard {
      const after = updates.slice(since);
      const foreign = after.filter((said) => isForeign(said.agentSessionId, sessionId));
      return {
        // A notice may be marked in `_meta` beside the update or within it.
        updates: after
          .filter((said) => !foreign.includes(said))
          .map(({ update, meta }) => (meta === undefined ? update : { _meta: meta, ...update })),
        foreign: foreign.filter(({ update, meta }) => isConversation(update, meta)),
      };
    },
    get facts(): AgentFacts {
      return protocol.facts;
    },

    /**
     * Initializes it. `claimed` is the version that it named. `otherVersion`: it speaks ACP, but not in the version examined. `mute`: it did
     * not answer at all.
     */
    async introduce() {
      // The engine's calls, but noting what had come before each answer.
      const call: Connection['call'] = (method, params, patience) => {
        asked = method;
        return link.call(method, params, patience).then((outcome) => {
          heard = updates.length;
          last = outcome;
          if (method === 'initialize' && outcome.kind === 'answered') claimed = fieldsOf(outcome.value)['protocolVersion'];
          return outcome;
        });
      };
      const start: Connection['start'] = (method, params, settle) => {
        asked = method;
        link.start(method, params, settle);
      };
      const found: Unusable[] = [];
      let claimed: unknown;
      const { kind, failure, ms } = await timed(async (patience): Promise<Outcome> => {
        const introduced = await introduce({ ...link, call, start }, choice, CLIENT, patience);
        if (!('kind' in introduced)) protocol = introduced;
        else if (introduced.kind === 'unusable') found.push(introduced);
        else return introduced;
        return { kind: 'answered', value: null };
      });
      // Whether that worked shows in the next answer.
      if (auth !== undefined && protocol) await agent.ask((speak, patience) => speak.authenticate(auth, patience));
      const [{ why, otherVersion } = { why: failure, otherVersion: false }] = found;
      return { facts: protocol?.facts ?? null, claimed, failure: why, otherVersion, ms, mute: kind === 'hung' || kind === 'ended' };
    },

    ask: <T>(call: (protocol: AgentProtocol, patience: Patience) => Promise<Outcome<T>>): Promise<Answer<T>> =>
      timed((patience) => call(protocol, patience)),

    /** Makes a session; `sessionId` is null if the agent did not, or did not name it. Also waits for a greeting. */
    async newSession(): Promise<Answer<NewAgentSession> & { readonly sessionId: string | null }> {
      const answer = await timed((patience) => protocol.newSession(place, patience));
      const sessionId = answer.kind === 'answered' ? answer.value.agentSessionId : null;
      if (sessionId !== null) {
        made.push(sessionId);
        await agent.quiet();
      }
      return { ...answer, sessionId };
    },

    /** Prompts the agent. When the turn is answered, its messages are added to `said`. */
    async prompt(sessionId: string, text: string, said: Message[], inFront: readonly ContentBlock[] = []) {
      const before = updates.length;
      const method = 'session/prompt';
      const answer = await timed(async ({ ms }): Promise<Outcome<TurnEnd>> => {
        const over = new Promise<TurnAnswer | null>((resolve) => protocol.prompt(sessionId, [...inFront, { type: 'text', text }], resolve));
        const turn = await within(over, ms);
        if (turn === undefined) return { kind: 'hung', method, afterMs: ms };
        if (turn === null) return { kind: 'ended', method };
        if (turn.kind === 'refused') return { kind: 'refused', method, error: turn.error };
        return { kind: 'answered', value: turn };
      });
      // An agent may say more after its answer. Like a host that is about to end it, wait for that.
      if (answer.kind === 'answered') await agent.quiet();
      const heard = agent.heard(sessionId, before);
      const reply = messagesIn(heard.updates).filter(({ role }) => role === 'agent');
      if (answer.kind === 'answered') for (const message of [{ role: 'user' as const, text }, ...reply]) said.push(message);
      return { answer, reply, foreign: describeForeign(heard) };
    },

    /** Asks for something it was told. Each question is different, because a replay could lack one of several equal ones unnoticed. */
    async askFor(sessionId: string, what: string, said: Message[], inFront: readonly ContentBlock[] = []) {
      const nonce = crypto.randomUUID().slice(0, 4);
      const question = `Question ${nonce}: What is the ${what}? Answer with the ${what} only, without using any tool.`;
      const { reply, ...rest } = await agent.prompt(sessionId, question, said, inFront);
      return { ...rest, reply: reply.map(({ text }) => text).join(' ') };
    },

    listed: (sessionId: string) =>
      busy(async () => {
        const began = performance.now();
        const wasGone = link.ended;
        const shown = await askList({ protocol }, sessionId, cwd, { limits: { ...DEFAULT_LIMITS, listMs: timeoutMs } });
        const words = last ? await describeFailure(last, performance.now() - began, wasGone) : '';
        listFailure = words || 'gave no list that could be read to its end';
        return shown;
      }),
    /** Why the last `listed` could not tell. */
    get listFailure(): string {
      return listFailure;
    },

    /** Asks the agent to resume or load a session. Its answer is classified as a client does it: with its list, if the error alone does not tell. */
    async resumeOrLoad(how: How, sessionId: string): Promise<{ answer: Answer; outcome: UnknownSessionAnswer; evidence: string }> {
      const answer = await timed((patience) => protocol.resumeOrLoad(how, sessionId, place, patience));
      if (answer.kind === 'answered') return { answer, outcome: 'success', evidence: 'it answered with success' };
      if (answer.kind !== 'refused') return { answer, outcome: answer.kind === 'hung' ? 'hang' : 'crash', evidence: answer.failure };
      const about = { method: `session/${how}`, agentSessionId: sessionId } as const;
      const alone = classifyResumeFailure(answer.error, about);
      if (!protocol.facts.canList || (alone.outcome !== 'indeterminate' && !alone.weak)) return { answer, ...alone };
      return { answer, ...classifyResumeFailure(answer.error, { ...about, listed: await agent.listed(sessionId) }) };
    },

    /** Waits until no update has come for `quietMs`, or for a multiple of that if none has come at all: a replay may come late. */
    async quiet(silencesAtFirst = 1): Promise<void> {
      const began = performance.now();
      const deadline = began + Math.max(DEFAULT_LIMITS.replayMaxMs, quietMs);
      lastUpdate = began;
      for (;;) {
        const wait = Math.min(lastUpdate + (lastUpdate === began ? silencesAtFirst : 1) * quietMs, deadline) - performance.now();
        if (wait <= 0 || link.exit !== null) return;
        await within(link.gone, wait);
      }
    },

    get asked(): string {
      return asked;
    },
    /** How it ended; null while it runs. */
    get end(): string | null {
      return link.exit && describeEnd(link.exit);
    },
    /** Called before the agent is ended: what it does from then on is not misconduct. */
    letGo(): void {
      if (ending) return;
      ending = true;
      // Of the diagnostics, only messages of the agent that the connection could not use.
      for (const line of link.diagnostics().split('\n')) if (/^\[the agent (?:sent|answered) /.test(line)) noteNoise(conduct, line, asked);
    },
    kill(): Promise<AgentExit> {
      agent.letGo();
      return link.end('kill');
    },
  };
  return agent;
}

/** How a process ended, with the last readable line that it wrote, which mostly says why. */
export function describeEnd(exit: AgentExit): string {
  const line = redactTokens(exit.stderr ?? '')
    .trim()
    .split('\n')
    .findLast((one) => /[A-Za-z]{3}/.test(one) && !/^\s*at |^Node\.js v/.test(one));
  return `${describeExit(exit)}${line === undefined ? '' : ` (it wrote ${quote(line)})`}`;
}

/** Runs `work` with a new process of the agent. Its process tree is gone afterwards, whatever happened. */
export async function withAgent<T>(setting: Setting, work: (agent: RunningAgent, introduction: Introduction) => Promise<T>): Promise<T> {
  const { signal } = setting;
  const agent = await startAgent(setting);
  const onAbort = (): void => {
    void agent.kill();
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await work(agent, await agent.introduce());
  } finally {
    signal.removeEventListener('abort', onAbort);
    await agent.kill();
  }
}
