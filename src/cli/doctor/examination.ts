/**
 * `rehydrate doctor`: how well an ACP agent's sessions survive its death, found out by killing it. One process makes sessions, is told
 * something in each, and is killed; every later one is asked for one thing. `STEPS` is the examination, a row for each thing that is
 * tried; below it is how each is tried and judged.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { type RunningProcess, startProcess } from '../../adapters/stdio/agent-process.ts';
import { stdioLauncher } from '../../adapters/stdio/index.ts';
import { messageStream } from '../../adapters/stdio/launcher.ts';
import { STDIO_LIMITS } from '../../adapters/stdio/limits.ts';
import type { ProcessEntry } from '../../adapters/stdio/process-table.ts';
import { RehydrateError } from '../../engine/errors.ts';
import { DEFAULT_LIMITS } from '../../engine/limits.ts';
import type { AgentFacts } from '../../engine/protocol/agent-protocol.ts';
import { within } from '../../engine/protocol/connection.ts';
import { fieldsOf, isConversation } from '../../engine/protocol/updates.ts';
import { SILENCES_AT_FIRST } from '../../engine/sessions/replay.ts';
import { buildPreamble } from '../../engine/transcript/preamble.ts';
import { renderTranscript } from '../../engine/transcript/render.ts';
import type { ContentBlock, ProtocolChoice, SessionEvent } from '../../engine/types.ts';
import { whereTyped } from '../parse.ts';
import { count, oneLine, quote, seconds } from '../format.ts';
import {
  type Answer,
  errorWords,
  foreignWords,
  type Introduction,
  type RunningAgent,
  type Setting,
  startAgent,
  wantsAuth,
  withAgent,
} from './agent.ts';
import { compare, type Message, messagesIn } from './messages.ts';
import {
  breach,
  type CheckId,
  checksOf,
  type ComingBack,
  differences,
  type DoctorReport,
  type Examined,
  fail,
  type Finding,
  type Found,
  type How,
  lost,
  methodOf,
  NO_SESSION,
  pass,
  record,
  skip,
  type UnknownSessionAnswer,
  verdictOf,
} from './report.ts';

export interface DoctorOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** How long each answer may take, in milliseconds. Default 60 000. */
  readonly timeoutMs?: number;
  /** False sends no prompt, so that no model is asked. Default true. */
  readonly prompt?: boolean;
  readonly auth?: string | undefined;
  /** The version of ACP to examine. Default: each that the agent speaks. */
  readonly protocol?: ProtocolChoice | undefined;
  /** How long it may take to end after its input closed, in milliseconds. Default: as long as a host gives it. */
  readonly graceMs?: number;
  /** How long the units of clock time are that a store may be cut into, in milliseconds. Default: a minute. */
  readonly clockMs?: number;
  /** Told what is about to happen, before it does: that a model will be prompted, that there is a wait. */
  readonly onNotice?: (text: string) => void;
  readonly signal?: AbortSignal;
}

const PROMPT_NOTICE =
  'doctor will send up to ten short prompts to the agent, which may ask its model and cost a little. --no-prompt skips that.';

const AGAIN_NOTICE = 'It speaks ACP 2, too: once more, with as many prompts. --protocol v1 leaves that out.';

/**
 * Examines an agent: starts it about nine times in a scratch directory, kills it, and asks for its sessions back; once more in ACP 2 where
 * it speaks that, too. Rejects with `RehydrateError` (`agent_start_failed`, …) when it cannot be started at all, and with the
 * signal's reason; no process is left either way.
 */
export async function runDoctor(options: DoctorOptions): Promise<DoctorReport> {
  const { protocol, prompt = true, onNotice } = options;
  if (prompt) onNotice?.(PROMPT_NOTICE);
  const first = await examine(protocol ?? 'v1', options);
  // One that said nothing, or died of it, is not asked again.
  const second = protocol === undefined && !first.mute ? await examine('v2', options, prompt && first.facts ? AGAIN_NOTICE : '') : null;
  const [main, other] = first.facts === null && second?.facts ? [second, null] : [first, second?.facts ? second : null];
  const info = main.facts?.info;
  return {
    agent: { command: path.basename(options.command), name: info?.name ?? null, version: info?.version ?? null },
    ...main.examined,
    ...(other ? { v2: { ...other.examined, differs: differences(main.examined, other.examined) } } : {}),
  };
}

/** A session and what it was told, by a process that is gone when anybody asks for it. */
interface Told {
  readonly sessionId: string;
  /** What was said in it so far; a successful resume adds to it. */
  readonly said: Message[];
  /** A word that the agent could say back while it was still alive; else its memory cannot be judged. */
  readonly codeword: string | null;
  /** Why there is no such word. */
  readonly untried: string;
}

/** An examination in one version of ACP: how it is held, and what was found out so far. */
function newExamination(protocol: ProtocolChoice, options: DoctorOptions, cwd: string) {
  const { env = {}, timeoutMs = 60_000, auth, signal = new AbortController().signal } = options;
  // Files are meant as seen from here, and not from the scratch directory.
  const [command = '', ...args] = whereTyped([options.command, ...options.args]);
  const launcher = stdioLauncher({ agents: () => ({ command, args, env }) });
  return {
    ...({ name: path.basename(command), launcher, cwd, timeoutMs, signal, auth, protocol, made: [] } satisfies Setting as Setting),
    options: { ...options, command, args },
    found: {} as Found,
    /** Of its first process; null until that introduced itself, in this version. */
    facts: null as AgentFacts | null,
    told: null as Told | null,
    neverPrompted: null as string | null,
    /** The sessions that began with a preamble that reached the model. */
    given: [] as GivenPreamble[],
    /** Of each process that was to bring a killed session back: a client goes by what that advertises. */
    restarts: [] as AgentFacts[],
    /** Null where a method was not asked for. */
    came: { resume: null, load: null } as Record<How, ComingBack | null>,
    unknownSession: { load: null, resume: null } as Record<How, UnknownSessionAnswer | null>,
  };
}
type Examination = ReturnType<typeof newExamination>;

/** Why a step cannot be tried with an agent; false when that does not stand in the way. */
type Obstacle = (x: Examination) => string | false;

const session: Obstacle = ({ told }) => told === null && NO_SESSION;
const codeword: Obstacle = ({ told }) => told?.codeword === null && `Whether it reaches the model was not tried: ${told.untried}.`;
const takesResources: Obstacle = ({ facts }) =>
  facts?.embeddedContext === false && 'It does not advertise promptCapabilities.embeddedContext, so a client gives it none.';
const can = (facts: AgentFacts | null, method: How | 'list' | 'close'): boolean =>
  facts !== null && { resume: facts.canResume, load: facts.canLoad, list: facts.canList, close: facts.canClose }[method];
const advertises =
  (...methods: (How | 'list' | 'close')[]): Obstacle =>
  ({ facts }) =>
    !methods.some((method) => can(facts, method)) && `It does not advertise ${methods.map((method) => `session/${method}`).join(' or ')}.`;

interface Step {
  /** What it finds something of. The first fails when the process of its own cannot be had. */
  readonly checks: readonly [CheckId, ...CheckId[]];
  /** `first`: in the process that is killed when these are through. `own`: in one of its own. `none`: it starts what it needs itself. */
  readonly process: 'first' | 'own' | 'none';
  /** The first of these that holds is why its checks are skipped; for `own`, also of what its process advertises. */
  readonly needs: readonly Obstacle[];
  /** Finds something of its only check, or of several. */
  readonly run: (x: Examination, agent: RunningAgent) => Promise<Finding | Found>;
}

/** The examination, after `initialize`, in the order in which it is held. */
export const STEPS: readonly Step[] = [
  { checks: ['new'], process: 'first', needs: [], run: makeSession },
  {
    checks: ['prompt'],
    process: 'first',
    needs: [session, ({ options }) => options.prompt === false && 'Not asked to prompt a model (--no-prompt).'],
    run: tellCodeword,
  },
  { checks: ['never-prompted'], process: 'first', needs: [session], run: makeAnother },
  { checks: ['list'], process: 'first', needs: [session, advertises('list')], run: lookAtList },
  { checks: ['preamble-inline'], process: 'first', needs: [session, codeword], run: givePreamble('inline') },
  { checks: ['preamble-resource'], process: 'first', needs: [session, codeword, takesResources], run: givePreamble('resource') },
  // Resume goes before load: what it adds to the conversation makes the replay longer and so the better witness.
  { checks: ['kill-and-resume', 'resume-silent'], process: 'none', needs: [session], run: comeBack('resume') },
  { checks: ['kill-and-load', 'replay-complete', 'replay-before-response'], process: 'none', needs: [session], run: comeBack('load') },
  {
    checks: ['preamble-inline', 'preamble-resource'],
    process: 'own',
    needs: [({ given }) => given.length === 0 && 'It was given none.', (x) => native(x) === undefined && 'No session comes back.'],
    run: lookForPreambles,
  },
  { checks: ['unknown-session-load'], process: 'own', needs: [advertises('load')], run: askForUnknown('load') },
  { checks: ['unknown-session-resume'], process: 'own', needs: [advertises('resume')], run: askForUnknown('resume') },
  {
    checks: ['never-prompted'],
    process: 'own',
    needs: [
      advertises('resume', 'load'),
      session,
      ({ neverPrompted }) => neverPrompted === null && 'It made no second session in one process.',
    ],
    run: askForNeverPrompted,
  },
  { checks: ['close'], process: 'own', needs: [advertises('close'), session], run: closeOne },
  { checks: ['clean-exit', 'no-orphans'], process: 'none', needs: [], run: lookAtExit },
  // Of all the sessions that were made.
  { checks: ['session-ids'], process: 'none', needs: [session], run: compareIds },
];

/** In one version of ACP. Without facts it does not speak that. `notice`: what is told once it does. */
async function examine(protocol: ProtocolChoice, options: DoctorOptions, notice = '') {
  const cwd = await scratchDirectory();
  const x = newExamination(protocol, options, cwd);
  try {
    const mute = await withAgent(x, async (agent, introduction) => {
      record(x.found, judgeIntroduction(introduction));
      x.facts = introduction.facts;
      if (x.facts !== null && notice !== '') options.onNotice?.(notice);
      if (x.facts !== null) await inFirstProcess(x, agent);
      return introduction.mute;
    });
    if (x.facts !== null) for (const step of STEPS) if (step.process !== 'first') await take(step, x);
    if (x.facts?.canDelete === true) await deleteMade(x);
    x.signal.throwIfAborted();
    const { facts, told } = x;
    const checks = checksOf(x.found, facts === null ? 'It did not get past initialize.' : NO_SESSION);
    const outcomes = facts && {
      ...x.came,
      examined: told !== null,
      processes: (x.restarts.length > 0 ? x.restarts : [facts]).map(({ canResume, canLoad, canList }) => ({
        ...{ resume: canResume, load: canLoad, list: canList },
      })),
      said: told !== null && told.said.length > 0,
      version: facts.protocolVersion,
      unknownSession: x.unknownSession,
    };
    const { protocolVersion = null, capabilities = null } = facts ?? {};
    const examined: Examined = { protocolVersion, capabilities, checks, verdict: verdictOf(outcomes, checks) };
    return { facts, mute, examined };
  } finally {
    await rm(cwd, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function scratchDirectory(): Promise<string> {
  try {
    return await realpath(await mkdtemp(path.join(os.tmpdir(), 'rehydrate-doctor-')));
  } catch (error) {
    const words = `No scratch directory can be made: ${(error as Error).message}. Set $TMPDIR to a directory that can be written to.`;
    throw new RehydrateError('cwd_missing', words, { directory: os.tmpdir() }, { cause: error });
  }
}

/** Leaves nothing of its own in the agent's store, where the agent can do that; what it cannot delete stays. */
async function deleteMade(x: Examination): Promise<void> {
  const work = withAgent(x, async (agent, { facts }) => {
    if (facts?.canDelete !== true) return;
    for (const sessionId of new Set(x.made)) {
      const { kind } = await agent.ask((protocol, patience) => protocol.deleteSession(sessionId, patience));
      if (kind === 'hung' || kind === 'ended') return;
    }
  });
  // It is no check: an agent that fails here is judged by those that were held.
  await work.catch(() => {});
}

async function inFirstProcess(x: Examination, agent: RunningAgent): Promise<void> {
  for (const step of STEPS) if (step.process === 'first') await take(step, x, agent);
}

/** Takes one step, or says why not. An agent that cannot be had again fails it, not the whole examination. */
async function take(step: Step, x: Examination, first?: RunningAgent): Promise<void> {
  const { checks, process: where, needs, run } = step;
  x.signal.throwIfAborted();
  const why = needs.map((obstacle) => obstacle(x)).find(Boolean) || (first?.died && 'It died before this could be tried.');
  if (why) return record(x.found, Object.fromEntries(checks.map((id) => [id, skip(why)])));
  const inOwnProcess = (): Promise<Finding | Found> =>
    withAgent(x, async (agent, { facts, failure, ms }) => {
      if (!facts) return fail(`Started again, it ${failure}.`, ms);
      record(x.found, judgeOffers(x, facts));
      const lacks = needs.map((obstacle) => obstacle({ ...x, facts })).find(Boolean);
      return lacks ? skip(`Started again for this, it was as if another. ${lacks}`) : run(x, agent);
    });
  const found = await (first || where === 'none' ? run(x, first as RunningAgent) : inOwnProcess()).catch((error: Error) => {
    x.signal.throwIfAborted();
    if (first) throw error;
    return fail(`It could not be started again: ${error.message}`);
  });
  const judged: Found = 'outcome' in found ? { [checks[0]]: found as Finding } : found;
  const [main, ...others] = checks;
  const reason = judged[main];
  // What hangs on it was not reached either.
  const unreached = reason && skip(reason.outcome === 'skip' ? reason.detail : `See “${main}”.`);
  record(x.found, { ...(unreached && Object.fromEntries(others.map((id) => [id, unreached]))), ...judged });
}

// ---------------------------------------------------------------- the first process

function judgeIntroduction({ facts, claimed, failure, otherVersion, ms }: Introduction): Found {
  // An agent that speaks another version says so, as the protocol wants it.
  if (facts === null) return { initialize: otherVersion ? skip(`It ${failure}.`) : breach(`It ${failure}.`, ms) };
  const more = facts.protocolVersion === 2 ? ', where every agent can resume, replay and list' : ` and advertises ${offersOf(facts)}`;
  const detail = `Speaks ACP ${facts.protocolVersion}${more}.`;
  if (claimed === facts.protocolVersion) return { initialize: pass(detail, ms) };
  const named = `It answered initialize with protocolVersion ${JSON.stringify(claimed)} and the fields of ACP ${facts.protocolVersion}; a client that goes by the number takes it for another.`;
  return { initialize: fail(`${named} ${detail}`, ms) };
}

const offersOf = (facts: AgentFacts): string =>
  (['resume', 'load', 'list'] as const).filter((method) => can(facts, method)).join(', ') || 'none of resume, load and list';

/** What another process of it advertises, against its first. */
function judgeOffers({ facts: first }: Examination, now: AgentFacts): Found {
  if (first === null || offersOf(first) === offersOf(now)) return {};
  const detail = `What it advertises changes from start to start: first ${offersOf(first)}, then ${offersOf(now)}. A client goes by what each process advertises, so what its users get changes with it.`;
  return { initialize: fail(detail) };
}

async function makeSession(x: Examination, agent: RunningAgent): Promise<Finding> {
  const answer = await agent.newSession();
  const { sessionId, failure, ms } = answer;
  if (sessionId !== null) {
    x.told = { sessionId, said: [], codeword: null, untried: 'no prompt was sent' };
    return pass(`Made the session ${sessionId}.`, ms);
  }
  if (wantsAuth(answer)) {
    const how =
      x.auth === undefined ? 'Sign in with its own command, or name a method with --auth' : `Signing in with ${x.auth} did not do`;
    const names = agent.facts.authMethods.map(({ id }) => oneLine(id, 60)).filter((id) => id !== '');
    return skip(`It wants you to sign in first (methods: ${names.join(', ') || 'none named'}). ${how}, and run doctor again.`);
  }
  // An error is an answer: the agent may have a reason that has nothing to do with the protocol.
  return answer.kind === 'refused'
    ? fail(`It ${failure}.`, ms)
    : breach(`It ${answer.kind === 'answered' ? idFault(fieldsOf(answer.value.raw)['sessionId']) : failure}.`, ms);
}

const idFault = (id: unknown): string =>
  `answered session/new ${id === undefined ? 'without a sessionId' : `with a sessionId that is not a string with something in it: ${oneLine(JSON.stringify(id), 60)}`}`;

/** A word that no agent has heard before. */
const word = (bird: string): string => `${bird}-${1000 + Math.floor(Math.random() * 9000)}`;

/** Tells it a word and asks for it back while it is alive: an agent that cannot say it now is no witness later. */
async function tellCodeword(x: Pick<Examination, 'told'>, agent: RunningAgent): Promise<Finding> {
  const { sessionId, said } = x.told!;
  const codeword = word('heron');
  const telling = `Remember that the codeword is ${codeword}. Answer with OK only, without using any tool.`;
  const { answer, reply, foreign } = await agent.prompt(sessionId, telling, said);
  if (answer.kind === 'answered' && answer.value !== null) {
    const asked = await agent.askFor(sessionId, 'codeword', said);
    const known = asked.reply.includes(codeword) ? codeword : null;
    x.told = { sessionId, said, codeword: known, untried: 'it could not say the codeword back even before it was killed' };
    const detail = `Answered with ${count(reply.length, 'message')} and the stop reason ${oneLine(answer.value, 60)}.${foreign}`;
    return reply.length === 0 && foreign !== '' ? fail(detail, answer.ms) : pass(detail, answer.ms);
  }
  x.told = { sessionId, said, codeword: null, untried: 'the prompt that was sent was not answered' };
  if (wantsAuth(answer)) return skip('It wants you to sign in before it answers a prompt.');
  if (answer.kind === 'refused')
    return skip(`It could not answer a prompt here, perhaps for want of a model: ${errorWords(answer.error)}.`);
  return breach(`It ${answer.failure || 'answered session/prompt without a stopReason'}.`, answer.ms);
}

/** After the first was prompted, and never prompted itself. */
async function makeAnother(x: Examination, agent: RunningAgent): Promise<Found> {
  x.neverPrompted = (await agent.newSession()).sessionId;
  return {};
}

async function lookAtList({ told }: Examination, agent: RunningAgent): Promise<Finding> {
  const { sessionId, said } = told!;
  const began = performance.now();
  const shown = await agent.listed(sessionId);
  const ms = performance.now() - began;
  const asked = 'session/list, asked with the session’s cwd,';
  if (shown === 'present') return pass(`${asked} shows the session.`, ms);
  if (shown === 'unknown') return breach(`It ${offers(agent, 'session/list')}, but gave no list that could be read to its end.`, ms);
  if (said.length === 0) return pass('It answers; a session that was never prompted is not shown.', ms);
  return fail(`${asked} does not show the session, so a client cannot tell a lost session from an error.`, ms);
}

/** The ways in which a host gives an agent the record of a conversation that it lost. */
const PREAMBLES = { inline: 'the text of a prompt', resource: 'an embedded resource' } as const;
type PreambleWay = keyof typeof PREAMBLES;

interface GivenPreamble {
  readonly way: PreambleWay;
  readonly sessionId: string;
  /** Stands in the preamble, and was never asked for: who can say it later still has the preamble. */
  readonly secondWord: string;
}

const reached = (way: PreambleWay) => `A record that is given as ${PREAMBLES[way]} reaches its model`;

/** Begins a session with a preamble, as a host does for an agent that lost its own, and asks for one of the two words in it. */
function givePreamble(way: PreambleWay): Step['run'] {
  return async ({ given }, agent) => {
    const { sessionId } = await agent.newSession();
    if (sessionId === null) return skip('It made no further session in one process to try it in.');
    const [firstWord, secondWord] = [word('curlew'), word('plover')];
    const asked = await agent.askFor(sessionId, 'first word', [], await preambleOf(way, firstWord, secondWord));
    if (!asked.reply.includes(firstWord)) {
      const detail = `A record of an earlier conversation, given as ${PREAMBLES[way]}, did not reach its model: asked for a word in it, ${instead(asked)}`;
      return fail(detail, asked.answer.ms);
    }
    given.push({ way, sessionId, secondWord });
    return pass(`${reached(way)}. Where it brings no session back itself, a client gives the record anew each time.`);
  };
}

/** The very blocks that a host sends, about a conversation that never was. */
async function preambleOf(mode: PreambleWay, firstWord: string, secondWord: string): Promise<ContentBlock[]> {
  const event = (seq: number, role: 'user' | 'agent', text: string) =>
    ({
      ...{ seq, turnId: 'earlier', at: 0, kind: 'update', origin: role === 'user' ? 'host' : 'agent' },
      payload: { sessionUpdate: `${role}_message_chunk`, content: { type: 'text', text } },
    }) as SessionEvent;
  const told = `Remember that the first word is ${firstWord}. Remember that the second word is ${secondWord}.`;
  return buildPreamble(await renderTranscript([event(2, 'agent', 'OK'), event(1, 'user', told)]), mode);
}

/** Why a client counts on a method: in version 2 nobody advertises what every agent has. */
const offers = ({ facts }: RunningAgent, method: string): string =>
  facts.protocolVersion === 2 ? `speaks ACP 2, where every agent has ${method.replace('load', 'resume')}` : `advertises ${method}`;

/** What an agent did that did not say what it was asked for; ends the sentence. */
const instead = ({ answer, reply, foreign }: { readonly answer: Answer; readonly reply: string; readonly foreign: string }): string =>
  `${answer.kind === 'answered' ? `it said ${quote(reply)}` : 'it did not answer the prompt'}.${foreign}`;

// ---------------------------------------------------------------- coming back

const checkOf = (how: How) => `kill-and-${how}` as const;

/** The method by which a session really comes back, if any does. */
const native = ({ came, facts }: Pick<Examination, 'came' | 'facts'>): How | undefined =>
  (['resume', 'load'] as const).find((how) => can(facts, how) && cameBack(came[how]));

const cameBack = (came: ComingBack | null | undefined): boolean => came?.outcome === 'ok' && !came.forgotten;

/**
 * Takes the session up by one method. Of one that is lost it is found out whether another comes back, which differs from it in one thing
 * only: that it was taken up in a later clock minute (a store that works by the minute would else give a verdict of chance), or that
 * `session/resume` had not taken it up before.
 */
function comeBack(how: How): Step['run'] {
  return async (x) => {
    const check = checkOf(how);
    // Until there is a process that says more.
    x.came[how] = notStarted('it could not be started again');
    const first = await hear(x, how, x.told!);
    x.came[how] = first.came;
    if (x.told!.codeword === null || first.came === null || !lost(first.came)) return first.found;
    const method = methodOf(how, x.facts?.protocolVersion);
    const explained = ({ found }: Hearing, words: string): Found => ({
      ...found,
      [check]: fail(`It loses a session that ${words} (${first.found[check]?.detail})`),
    });
    // What was done to it before this.
    const resumed = how === 'load' && x.came.resume?.notStarted === undefined ? x.came.resume : null;
    if (!resumed?.forgotten) {
      const words = `It did not bring a session back with ${method}. doctor tries once more, with a few more prompts, when the clock minute is over.`;
      x.options.onNotice?.(words);
      const told = await inFirstProcessAgain(x);
      await nextMinute(x);
      const again = told && resumed && (await hear(x, 'resume', told)).came;
      const same = told && again?.outcome === resumed?.outcome && !again?.forgotten;
      if (same && cameBack(resumed)) await nextMinute(x);
      const second = same ? await hear(x, how, told) : null;
      if (second && cameBack(second.came)) {
        Object.assign(x, { told });
        x.came[how] = second.came;
        const when = `is taken up with ${method} in the clock minute in which it was made or last used; a minute later another one came back.`;
        return explained(second, when);
      }
    }
    // A refusal leaves a session as it is.
    if (resumed?.outcome === 'ok' || resumed?.unlisted) {
      const told = await inFirstProcessAgain(x);
      const third = told && (await hear(x, how, told));
      if (third && cameBack(third.came)) {
        const { protocolVersion } = x.facts!;
        const before = `was taken up with ${methodOf('resume', protocolVersion)} before; another one, which was not, came back with ${method}.`;
        return explained(third, before);
      }
    }
    return first.found;
  };
}

const notStarted = (failure: string): ComingBack => ({ outcome: 'crash', forgotten: false, notStarted: failure });

/** Until the next unit of the clock has begun. */
async function nextMinute({ signal, options: { clockMs = 60_000 } }: Examination): Promise<void> {
  const ms = clockMs === 0 ? 0 : clockMs - (Date.now() % clockMs) + 50;
  await within(new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true })), ms);
}

/** Another session that was told a word by a process that is killed then, after all that was done in the first; null where that cannot be had. */
async function inFirstProcessAgain(x: Examination): Promise<Told | null> {
  const other: Examination = { ...x, found: {}, told: null, neverPrompted: null, given: [] };
  await withAgent(other, async (agent, { facts }) => facts && inFirstProcess(other, agent));
  return other.told !== null && other.told.codeword !== null ? other.told : null;
}

interface Hearing {
  readonly found: Found;
  /** Null where it was not asked. */
  readonly came: ComingBack | null;
}

/** Asks another process for the session, as a client does: by what that advertises. */
function hear(x: Examination, how: How, told: Told): Promise<Hearing> {
  const check = checkOf(how);
  return withAgent(x, async (agent, { facts, failure, ms }) => {
    if (!facts) return { found: { [check]: fail(`Started again, it ${failure}.`, ms) }, came: notStarted(`started again, it ${failure}`) };
    record(x.found, judgeOffers(x, facts));
    x.restarts.push(facts);
    if (can(facts, how)) return takeUp(agent, how, told);
    const missing = can(x.facts, how)
      ? fail(
          `Started again after kill -9, it did not advertise session/${how}, which it had advertised before, so a client does not ask for it.`,
        )
      : skip(`It does not advertise session/${how}.`);
    return { found: { [check]: missing }, came: null };
  });
}

async function takeUp(agent: RunningAgent, how: How, told: Told): Promise<Hearing> {
  const check = checkOf(how);
  const { answer, outcome, evidence } = await agent.takeUp(how, told.sessionId);
  if (outcome === 'success') {
    // As patient as a host is.
    const isAwaited = how === 'load' && conversation(agent.heard(told.sessionId).updates) === 0;
    await agent.quiet(isAwaited ? SILENCES_AT_FIRST * DEFAULT_LIMITS.replayQuietMs : undefined);
    const [found, proven] = how === 'load' ? judgeReplay(told, agent, answer.updates) : [judgeSilence(told, agent), true];
    // Without a replay a client goes by the list.
    const unlisted = how === 'resume' && told.said.length > 0 && agent.facts.canList && (await agent.listed(told.sessionId)) === 'absent';
    const memory = await judgeMemory(agent, told, how, answer.ms);
    const read = unlisted ? 'unknown_session' : proven ? 'ok' : 'unproven';
    const why = unlisted ? 'its own list does not show the session' : 'it replayed nothing of what was said';
    const disbelieved = fail(`${memory.detail} But ${why}, so a client does not believe it.`, memory.ms);
    return {
      found: { ...found, [check]: read === 'ok' || memory.outcome === 'fail' ? memory : disbelieved },
      came: { outcome: read, forgotten: read === 'ok' && memory.outcome === 'fail', unlisted },
    };
  }
  const came = { outcome, forgotten: false, unlisted: false };
  const detail = `After kill -9 it did not bring the session back: a client reads ${outcome} (${evidence}).`;
  // An agent may keep only sessions that were prompted; without a prompt its forgetting says nothing.
  if (outcome === 'unknown_session' && told.said.length === 0) {
    const why = `It forgets a session that was never prompted; whether it brings others back needs a prompt: ${told.untried}.`;
    return { found: { [check]: skip(why) }, came };
  }
  return { found: { [check]: outcome === 'unsupported' ? breach(detail, answer.ms) : fail(detail, answer.ms) }, came };
}

const NO_MESSAGES = 'The session holds no messages that could be replayed.';
const conversation = (updates: readonly unknown[]): number => updates.filter((update) => isConversation(update)).length;

function judgeSilence({ sessionId, said }: Told, agent: RunningAgent): Found {
  const replayed = conversation(agent.heard(sessionId).updates);
  if (replayed > 0) {
    const detail = `It sent ${count(replayed, 'update')} of the conversation on session/resume, which must not replay; a client would store or show them twice.`;
    return { 'resume-silent': breach(detail) };
  }
  return { 'resume-silent': said.length === 0 ? skip(NO_MESSAGES) : pass('session/resume replayed nothing.') };
}

function judgeReplay({ sessionId, said }: Told, agent: RunningAgent, before: number): readonly [Found, proven: boolean] {
  const heard = agent.heard(sessionId);
  if (said.length === 0) return [{ 'replay-complete': skip(NO_MESSAGES), 'replay-before-response': skip(NO_MESSAGES) }, true];
  const { expected, matched, missing, outOfOrder, beside, extra } = compare(said, messagesIn(heard.updates));
  const more = [
    ...(beside.length > 0 ? [` ${count(beside.length, 'message')} beside a reply did not come (${quote(beside[0]?.text ?? '')}).`] : []),
    ...(extra > 0 ? [` ${count(extra, 'further message')} came too (repeats, or what it added).`] : []),
    foreignWords(heard),
  ].join('');
  const what = outOfOrder ? 'out of its order came' : 'missing was';
  const complete =
    missing === null
      ? pass(`All ${count(expected, 'message')} came, in order.${more}`)
      : breach(`${matched} of ${count(expected, 'message')} came in order; ${what} the ${missing.role}’s ${quote(missing.text)}.${more}`);
  const [all, late] = [conversation(heard.updates), conversation(agent.heard(sessionId, before).updates)];
  const inTime =
    all === 0
      ? skip('Nothing was replayed.')
      : late === 0
        ? pass(`All ${count(all, 'update')} came before the response.`)
        : breach(`${late} of ${count(all, 'update')} came after the response, so a client may take them for new.`);
  return [{ 'replay-complete': complete, 'replay-before-response': inTime }, missing === null || matched > 0];
}

/** Asks for the codeword, where the agent could say it before it was killed. Fails when it has forgotten. */
async function judgeMemory(agent: RunningAgent, { sessionId, said, codeword, untried }: Told, how: How, ms: number) {
  const { protocolVersion, canList } = agent.facts;
  const method = methodOf(how, protocolVersion);
  if (codeword === null) {
    const shown = canList ? await agent.listed(sessionId) : 'unknown';
    const list = {
      present: 'and its list shows the session',
      absent: 'but its list does not show the session',
      unknown: 'and it has no list to check that with',
    }[shown];
    const detail = `After kill -9 it answered ${method} with success, ${list}. Whether it remembers was not tried: ${untried}.`;
    return shown === 'absent' && said.length > 0 ? fail(detail, ms) : pass(detail, ms);
  }
  // What is said to one that has forgotten becomes no part of the session: by its other method that may come back as it was.
  const since: Message[] = [];
  const asked = await agent.askFor(sessionId, 'codeword', since);
  if (asked.reply.includes(codeword)) {
    said.push(...since);
    return pass(`After kill -9 it came back with ${method} and remembered what it had been told.`, ms);
  }
  return breach(
    `After kill -9 it answered ${method} with success and had forgotten everything: asked for the codeword, ${instead(asked)}`,
    ms,
  );
}

/** Whether the preambles that reached the model are still there, asked by the word that nobody said since. */
async function lookForPreambles(x: Examination, agent: RunningAgent): Promise<Found> {
  const how = native({ ...x, facts: agent.facts })!;
  const method = methodOf(how, agent.facts.protocolVersion);
  const found: Found = {};
  for (const { way, sessionId, secondWord } of x.given) {
    const check = `preamble-${way}` as const;
    const { answer, outcome } = await agent.takeUp(how, sessionId);
    if (outcome !== 'success') {
      found[check] = pass(`${reached(way)}. Whether it is kept was not seen: that session did not come back (${outcome}).`);
      continue;
    }
    await agent.quiet();
    const asked = await agent.askFor(sessionId, 'second word', []);
    found[check] = asked.reply.includes(secondWord)
      ? pass(`${reached(way)}, and is still there after kill -9 and ${method}.`, answer.ms)
      : fail(
          `${reached(way)}, but is gone after kill -9 and ${method}: asked for another word in it, ${instead(asked)} A client has to give it again.`,
          answer.ms,
        );
  }
  return found;
}

// ---------------------------------------------------------------- other sessions

function askForUnknown(how: How): Step['run'] {
  return async (x, agent) => {
    const { answer, outcome, evidence } = await agent.takeUp(how, unknownIdLike(x.told?.sessionId ?? null));
    x.unknownSession[how] = outcome;
    const { ms } = answer;
    const error = answer.kind === 'refused' ? answer.error : null;
    const said = error ? `It said: ${errorWords(error)}.` : '';
    switch (outcome) {
      case 'success':
        return breach(
          'It claims success for a session it never had: a user would go on talking to an agent that forgot, without knowing.',
          ms,
        );
      case 'hang':
      case 'crash':
        return breach(`For a session it never had, it ${answer.failure}.`, ms);
      case 'unsupported':
        return breach(`It ${offers(agent, `session/${how}`)}, but does not know it (${evidence}). ${said}`, ms);
      case 'auth_required':
        return skip(`It wants you to sign in first. ${said}`);
      case 'unknown_session': {
        const specification = error?.code === -32002 ? '' : ' The specification asks for −32002 with data.sessionId.';
        // The name of the rule; the rest of the evidence repeats the error.
        const rule = evidence.split(':')[0];
        return pass(`A client can tell: ${error && errorWords(error)} reads as unknown session (${rule}).${specification}`, ms);
      }
      default:
        return fail(`A client reads ${outcome}, so it must stop instead of going on with a transcript (${evidence}). ${said}`, ms);
    }
  };
}

/** Whether all sessions that it made have names of their own. */
async function compareIds({ made }: Examination): Promise<Finding> {
  const alike = made.find((id, index) => made.indexOf(id) !== index);
  if (alike !== undefined) {
    const times = made.filter((id) => id === alike).length;
    return breach(
      `It gave ${count(times, 'session')} the same id (${quote(alike)}). A client cannot tell them apart: what comes back for the one is the other, and its conversation is lost or goes to another user.`,
    );
  }
  return made.length === 1 ? skip('It made no second session.') : pass(`Each of ${count(made.length, 'session')} has an id of its own.`);
}

async function askForNeverPrompted({ neverPrompted }: Examination, agent: RunningAgent): Promise<Finding> {
  const how = agent.facts.canResume ? 'resume' : 'load';
  const { answer, outcome, evidence } = await agent.takeUp(how, neverPrompted!);
  const { ms } = answer;
  if (outcome === 'success') return pass(`A session that was never prompted comes back with session/${how}.`, ms);
  if (outcome === 'unknown_session')
    return pass(`It forgets a session that was never prompted and says so (${evidence}); nothing is lost by that.`, ms);
  return fail(`It does not bring a session back that was never prompted, and a client reads ${outcome} (${evidence}).`, ms);
}

async function closeOne(_: Examination, agent: RunningAgent): Promise<Finding> {
  const { sessionId, ms } = await agent.newSession();
  if (sessionId === null) return fail('It could not make another session to close.', ms);
  const answer = await agent.ask((protocol, patience) => protocol.closeSession(sessionId, patience));
  if (answer.kind === 'answered') return pass('session/close ends a session.', answer.ms);
  return breach(`It ${offers(agent, 'session/close')}, but ${answer.failure}.`, answer.ms);
}

/**
 * A session id that looks like the agent's own and is not one: same length, same kinds of characters, same prefix.
 * An agent that checks an id's form before it looks for the session then has nothing to object to. An agent that counts its
 * sessions may well have one of another small number: such an id is longer.
 */
export function unknownIdLike(sample: string | null, random: () => number = Math.random): string {
  const pick = (from: string): string => from[Math.floor(random() * from.length)] ?? '';
  if (sample === null || /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(sample))
    return 'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx'.replace(/x/g, () => pick('0123456789abcdef'));
  // What stands before the first separator is a kind (`ses_`, `thread-`), not part of the number.
  const prefix = /^[A-Za-z]+[_:-]/.exec(sample)?.[0] ?? '';
  const kinds = ['0123456789', 'abcdef', 'ghijklmnopqrstuvwxyz', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
  const like = (text: string): string => text.replace(/[0-9A-Za-z]/g, (char) => pick(kinds.find((kind) => kind.includes(char)) ?? char));
  const own = sample.slice(prefix.length);
  const number = like(own) + like('0'.repeat(Math.max(0, UNIQUE_CHARS - own.length)));
  return prefix + number === sample ? `${sample}0` : prefix + number;
}

/** Of so many characters no two ids are the same by chance. */
const UNIQUE_CHARS = 10;

// ---------------------------------------------------------------- the end

/** How long what an agent started may take to follow it. */
const FOLLOW_MS = 3_000;

/** Whether it ends by itself when its input closes, and what it leaves behind. Ended as by a host, but that nothing is cleared away before it was seen. */
async function lookAtExit(x: Examination): Promise<Found> {
  const { name, cwd, signal } = x;
  const { command, args, env, graceMs = STDIO_LIMITS.askMs } = x.options;
  let running: RunningProcess | undefined;
  const noise: string[] = [];
  const launcher: Setting['launcher'] = {
    async launch() {
      const spec = { name, command, args, cwd, env: { ...process.env, ...env } };
      const { stdin, stdout, exited } = (running = await startProcess(spec, { signal, limits: STDIO_LIMITS, keepOrphans: true }));
      const note = (line: Uint8Array) => void noise.push(Buffer.from(line).toString('utf8'));
      return {
        stream: messageStream(name, { stdin, stdout, note }, STDIO_LIMITS),
        exited,
        end: () => exited,
        diagnostics: () => noise.join('\n'),
      };
    },
  };
  try {
    const agent = await startAgent({ ...x, launcher });
    // A session is where agents start helpers.
    if ((await agent.introduce()).facts) await agent.newSession();
    const [printed, ...more] = agent
      .diagnostics()
      .split('\n')
      .filter((line) => line.trim() !== '');
    const detail = `Not all it writes on stdout is ACP; ${count(1 + more.length, 'time')} something else came: ${quote(printed ?? '')}.`;
    return { ...(printed === undefined ? {} : { initialize: breach(detail) }), ...(await judgeExit(running!, graceMs)) };
  } finally {
    await running?.end('kill');
  }
}

async function judgeExit({ left, pid, stdin, tree }: RunningProcess, graceMs: number): Promise<Found> {
  // The end of its output comes before the news of its exit.
  if ((await within(left, 100)) !== undefined) {
    const died = skip('It died before its input was closed.');
    return { 'clean-exit': died, 'no-orphans': died };
  }
  const isWindows = process.platform === 'win32';
  // Remembered while the tree is whole: a child that leaves its group later cannot hide.
  const before = isWindows ? 1 : (await tree.survivors()).length;
  const began = performance.now();
  stdin.end();
  const clean = await ending();
  if (isWindows) return { 'clean-exit': clean, 'no-orphans': skip('Not examined on Windows.') };
  let orphans = await tree.survivors();
  for (const deadline = performance.now() + FOLLOW_MS; orphans.length > 0 && performance.now() < deadline; orphans = await tree.survivors())
    await new Promise((resolve) => setTimeout(resolve, 50));
  const none = pass(`Nothing was left of its ${count(before, 'process')}.`);
  const some = fail(`It left ${count(orphans.length, 'process')} behind: ${orphans.map(nameOf).join(', ')}.`);
  return { 'clean-exit': clean, 'no-orphans': orphans.length === 0 ? none : some };

  async function ending() {
    const exit = await within(left, graceMs);
    const ms = performance.now() - began;
    if (exit?.code === 0) return pass('It exited with code 0 when its input closed.', ms);
    if (exit) {
      const end = exit.signal ? `died of ${exit.signal}` : `exited with code ${exit.code}`;
      return fail(`When its input closed it ${end}, which a client must take for a crash.`, ms);
    }
    await tree.signal('SIGTERM');
    let how = '; SIGTERM ended it';
    if (!(await within(left, STDIO_LIMITS.termMs))) {
      how = ', and in spite of SIGTERM; a client has to kill it';
      // Itself alone: what it started must be able to show whether it follows.
      process.kill(pid, 'SIGKILL');
      await within(left, STDIO_LIMITS.goneMs);
    }
    return fail(`It was still running ${seconds(graceMs)} after its input had closed${how}.`, performance.now() - began);
  }
}

function nameOf({ pid }: ProcessEntry): string {
  if (process.platform !== 'linux') return String(pid);
  try {
    return `${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()} (${pid})`;
  } catch {
    return String(pid); // it went just now
  }
}
