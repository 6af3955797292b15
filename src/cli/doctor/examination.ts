/**
 * `rehydrate doctor`: how well an ACP agent's sessions survive its death, found out by killing it. One process makes sessions, is told
 * something in each, and is killed; every later one is asked for one thing. Told in that order, from top to bottom.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { startProcess, type RunningProcess } from '../../adapters/stdio/agent-process.ts';
import { stdioLauncher } from '../../adapters/stdio/index.ts';
import { messageStream } from '../../adapters/stdio/launcher.ts';
import { STDIO_LIMITS } from '../../adapters/stdio/limits.ts';
import type { ProcessEntry } from '../../adapters/stdio/process-table.ts';
import type { AgentFacts } from '../../engine/protocol/agent-protocol.ts';
import { within } from '../../engine/protocol/connection.ts';
import { isConversation } from '../../engine/protocol/updates.ts';
import { buildPreamble } from '../../engine/transcript/preamble.ts';
import { renderTranscript } from '../../engine/transcript/render.ts';
import type { ContentBlock, ProtocolChoice, SessionEvent, Verification } from '../../engine/types.ts';
import { whereTyped } from '../parse.ts';
import { count, oneLine, quote, seconds } from '../format.ts';
import { errorWords, RunningAgent, wantsAuth, withAgent, type Answer, type Examination, type TakenUp } from './agent.ts';
import { compare, messagesIn, type Message } from './messages.ts';
import { differences, Findings, lost, methodOf, NO_SESSION, verdictOf, type How } from './report.ts';
import type { CheckId, ComingBack, DoctorReport, Examined, Outcomes, UnknownSessionAnswer } from './report.ts';

export interface DoctorOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** How long each answer may take, in milliseconds. Default 60 000. */
  readonly timeoutMs?: number;
  /** False sends no prompt, so that no model is asked. Default true. */
  readonly prompt?: boolean;
  /** Signs in with this method of the agent's at each start. */
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

/**
 * Examines an agent: starts it about nine times in a scratch directory, kills it, and asks for its sessions back; once more in ACP 2 where
 * it speaks that, too. Rejects with `RehydrateError` (`agent_start_failed`, …) when it cannot be started at all, and with the
 * signal's reason; no process is left either way.
 */
export async function runDoctor(options: DoctorOptions): Promise<DoctorReport> {
  const { protocol, prompt = true, onNotice } = options;
  if (prompt) onNotice?.(PROMPT_NOTICE);
  const first = await examine(protocol ?? 'v1', options, () => undefined);
  const again = () => {
    if (prompt && first.facts) onNotice?.('It speaks ACP 2, too: once more, with as many prompts. --protocol v1 leaves that out.');
  };
  // One that said nothing, or died of it, is not asked again.
  const second = protocol === undefined && !first.mute ? await examine('v2', options, again) : null;
  const [main, other] = first.facts === null && second?.facts ? [second, null] : [first, second?.facts ? second : null];
  const info = main.facts?.info;
  return {
    agent: { command: path.basename(options.command), name: info?.name ?? null, version: info?.version ?? null },
    ...main.examined,
    ...(other ? { v2: { ...other.examined, differs: differences(main.examined, other.examined) } } : {}),
  };
}

/** What the first process found out and left behind for the later ones. */
interface AgentUnderTest {
  readonly facts: AgentFacts;
  /** The session that was prompted, or null when none could be made. */
  readonly sessionId: string | null;
  /** A session that was only created. */
  readonly neverPromptedId: string | null;
  /** What was said in the session so far; a successful resume adds to it. */
  readonly said: Message[];
  /** What became of prompts: none was sent, one was sent and not answered, they are answered. */
  readonly prompts: 'none' | 'refused' | 'answered';
  /** What the agent was told, when it could say it back while it was still alive; else its memory cannot be judged. */
  readonly codeword: string | null;
  /** The sessions that began with a preamble that reached the model. */
  readonly given: readonly GivenPreamble[];
}

/** In one version of ACP. Without facts it does not speak that. */
async function examine(protocol: ProtocolChoice, options: DoctorOptions, begins: () => void) {
  const { env = {}, timeoutMs = 60_000, prompt = true, auth, signal = new AbortController().signal } = options;
  // Files are meant as seen from here, and not from the scratch directory.
  const [command = '', ...args] = whereTyped([options.command, ...options.args]);
  const cwd = await realpath(await mkdtemp(path.join(os.tmpdir(), 'rehydrate-doctor-')));
  const defined = Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
  const launcher = stdioLauncher({ agents: { agent: { command, args, env: defined } } });
  const findings = new Findings();
  const examination: Examination = { launcher, cwd, timeoutMs, signal, auth, protocol, findings };
  try {
    const { tested, mute } = await firstLife(examination, prompt, begins);
    signal.throwIfAborted();
    const outcomes = tested && (await laterLives(examination, tested, { ...options, command, args }));
    signal.throwIfAborted();
    const facts = tested?.facts ?? null;
    const checks = findings.all(facts === null ? 'It did not get past initialize.' : NO_SESSION);
    const { protocolVersion = null, capabilities = null } = facts ?? {};
    const examined: Examined = { protocolVersion, capabilities, checks, verdict: verdictOf(outcomes, checks) };
    return { facts, mute, examined };
  } finally {
    await rm(cwd, { recursive: true, force: true, maxRetries: 3 });
  }
}

// ---------------------------------------------------------------- the first life

/** What works before anything goes wrong; ends by `kill -9`. */
function firstLife(
  examination: Examination,
  prompting: boolean,
  begins: () => void,
): Promise<{ readonly tested: AgentUnderTest | null; readonly mute: boolean }> {
  const { findings, cwd } = examination;
  return withAgent(examination, async (agent, { facts, failure, otherVersion, ms, mute }) => {
    if (facts === null) {
      // An agent that speaks another version says so, as the protocol wants it.
      if (otherVersion) findings.skip('initialize', `It ${failure}.`);
      else findings.breach('initialize', `It ${failure}.`, ms);
      return { tested: null, mute };
    }
    begins();
    const offers = [facts.canResume && 'resume', facts.canLoad && 'load', facts.canList && 'list'].filter(Boolean).join(', ');
    const can =
      facts.protocolVersion === 2
        ? ', where every agent can resume, replay and list'
        : ` and advertises ${offers || 'none of resume, load and list'}`;
    findings.pass('initialize', `Speaks ACP ${facts.protocolVersion}${can}.`, ms);
    const said: Message[] = [];
    const sessionId = await checkNew(examination, agent, facts);
    let prompted: Prompted = { prompts: 'none', codeword: null };
    if (sessionId === null) return { tested: { facts, sessionId, neverPromptedId: null, said, given: [], ...prompted }, mute };
    if (prompting) prompted = await checkPrompt(findings, agent, sessionId, said);
    else findings.skip('prompt', 'Not asked to prompt a model (--no-prompt).');
    // After the first session was prompted, and never prompted itself.
    const second = await agent.newSession(cwd);
    if (second.kind === 'ended') findings.skip('list', 'It died before its list could be asked for.');
    else await checkList(examination, agent, sessionId, said.length > 0);
    const given = await givePreambles(examination, agent, prompted);
    return { tested: { facts, sessionId, neverPromptedId: second.sessionId, said, given, ...prompted }, mute };
  });
}

async function checkNew({ findings, cwd, auth }: Examination, agent: RunningAgent, { authMethods }: AgentFacts): Promise<string | null> {
  const answer = await agent.newSession(cwd);
  const { sessionId, failure, ms } = answer;
  if (sessionId !== null) findings.pass('new', `Made the session ${sessionId}.`, ms);
  else if (wantsAuth(answer)) {
    const how = auth === undefined ? 'Sign in with its own command, or name a method with --auth' : `Signing in with ${auth} did not do`;
    const names = authMethods.map(({ id }) => oneLine(id, 60)).filter((id) => id !== '');
    findings.skip('new', `It wants you to sign in first (methods: ${names.join(', ') || 'none named'}). ${how}, and run doctor again.`);
  } else if (answer.kind === 'answered') findings.breach('new', 'It answered session/new without a sessionId.', ms);
  // An error is an answer: the agent may have a reason that has nothing to do with the protocol.
  else if (answer.kind === 'refused') findings.fail('new', `It ${failure}.`, ms);
  else findings.breach('new', `It ${failure}.`, ms);
  return sessionId;
}

type Prompted = Pick<AgentUnderTest, 'prompts' | 'codeword'>;

/** A word that no agent has heard before. */
const word = (bird: string): string => `${bird}-${1000 + Math.floor(Math.random() * 9000)}`;

/** Tells it a word and asks for it back while it is alive: an agent that cannot say it now is no witness later. */
async function checkPrompt(findings: Findings, agent: RunningAgent, sessionId: string, said: Message[]): Promise<Prompted> {
  const codeword = word('heron');
  const telling = `Remember that the codeword is ${codeword}. Answer with OK only, without using any tool.`;
  const { answer, reply } = await agent.prompt(sessionId, telling, said);
  if (answer.kind === 'answered' && answer.value !== null) {
    const detail = `Answered with ${count(reply.length, 'message')} and the stop reason ${oneLine(answer.value, 60)}.`;
    findings.pass('prompt', detail, answer.ms);
    const asked = await agent.askFor(sessionId, 'codeword', said);
    return { prompts: 'answered', codeword: asked.reply.includes(codeword) ? codeword : null };
  }
  if (wantsAuth(answer)) findings.skip('prompt', 'It wants you to sign in before it answers a prompt.');
  else if (answer.kind === 'refused')
    findings.skip('prompt', `It could not answer a prompt here, perhaps for want of a model: ${errorWords(answer.error)}.`);
  else findings.breach('prompt', `It ${answer.failure || 'answered session/prompt without a stopReason'}.`, answer.ms);
  return { prompts: 'refused', codeword: null };
}

async function checkList({ findings, cwd }: Examination, agent: RunningAgent, sessionId: string, prompted: boolean): Promise<void> {
  if (!agent.protocol.facts.canList) return findings.skip('list', 'It does not advertise session/list.');
  const began = performance.now();
  const shown = await agent.listed(sessionId, cwd);
  const ms = performance.now() - began;
  const asked = 'session/list, asked with the session’s cwd,';
  if (shown === 'present') findings.pass('list', `${asked} shows the session.`, ms);
  else if (shown === 'unknown')
    findings.breach('list', `It ${offers(agent, 'session/list')}, but gave no list that could be read to its end.`, ms);
  else if (prompted) findings.fail('list', `${asked} does not show the session, so a client cannot tell a lost session from an error.`, ms);
  else findings.pass('list', 'It answers; a session that was never prompted is not shown.', ms);
}

/** The ways in which a host gives an agent the record of a conversation that it lost. */
const PREAMBLES = [
  { mode: 'inline', check: 'preamble-inline', what: 'the text of a prompt' },
  { mode: 'resource', check: 'preamble-resource', what: 'an embedded resource' },
] as const;

interface GivenPreamble {
  readonly way: (typeof PREAMBLES)[number];
  readonly sessionId: string;
  /** Stands in the preamble, and was never asked for: who can say it later still has the preamble. */
  readonly secondWord: string;
}

/** Begins a session with each kind of preamble, as a host does for an agent that lost its own, and asks for one of the two words in it. */
async function givePreambles({ findings, cwd }: Examination, agent: RunningAgent, { prompts, codeword }: Prompted) {
  const given: GivenPreamble[] = [];
  for (const way of PREAMBLES) {
    const { mode, check, what } = way;
    if (codeword === null) {
      findings.skip(check, `Whether it reaches the model was not tried: ${UNTRIED[prompts]}.`);
    } else if (mode === 'resource' && !agent.protocol.facts.embeddedContext) {
      findings.skip(check, 'It does not advertise promptCapabilities.embeddedContext, so a client gives it none.');
    } else {
      const { sessionId } = await agent.newSession(cwd);
      if (sessionId === null) {
        findings.skip(check, 'It made no further session in one process to try it in.');
        continue;
      }
      const [firstWord, secondWord] = [word('curlew'), word('plover')];
      const asked = await agent.askFor(sessionId, 'first word', [], await preambleOf(mode, firstWord, secondWord));
      if (asked.reply.includes(firstWord)) given.push({ way, sessionId, secondWord });
      else {
        const detail = `A record of an earlier conversation, given as ${what}, did not reach its model: asked for a word in it, ${instead(asked)}.`;
        findings.fail(check, detail, asked.answer.ms);
      }
    }
  }
  return given;
}

/** The very blocks that a host sends, about a conversation that never was. */
async function preambleOf(mode: 'inline' | 'resource', firstWord: string, secondWord: string): Promise<ContentBlock[]> {
  const event = (seq: number, role: 'user' | 'agent', text: string) =>
    ({
      ...{ seq, turnId: 'earlier', at: 0, kind: 'update', origin: role === 'user' ? 'host' : 'agent' },
      payload: { sessionUpdate: `${role}_message_chunk`, content: { type: 'text', text } },
    }) as SessionEvent;
  const told = `Remember that the first word is ${firstWord}. Remember that the second word is ${secondWord}.`;
  return buildPreamble({ transcript: await renderTranscript([event(2, 'agent', 'OK'), event(1, 'user', told)]), mode });
}

/** Why a client counts on a method: in version 2 nobody advertises what every agent has. */
const offers = ({ protocol }: RunningAgent, method: string): string =>
  protocol.facts.protocolVersion === 2 ? `speaks ACP 2, where every agent has ${method.replace('load', 'resume')}` : `advertises ${method}`;

/** What an agent did that did not say what it was asked for. */
const instead = ({ answer, reply }: { readonly answer: Answer; readonly reply: string }): string =>
  answer.kind === 'answered' ? `it said ${quote(reply)}` : 'it did not answer the prompt';

/** Why its memory could not be asked for. */
const UNTRIED: Readonly<Record<AgentUnderTest['prompts'], string>> = {
  none: 'no prompt was sent',
  refused: 'the prompt that was sent was not answered',
  answered: 'it could not say the codeword back even before it was killed',
};

// ---------------------------------------------------------------- the later lives

const BACK = {
  resume: ['kill-and-resume', 'resume-silent'],
  load: ['kill-and-load', 'replay-complete', 'replay-before-response'],
} as const;

/** Every later life, each a process of its own, in order. */
async function laterLives(examination: Examination, tested: AgentUnderTest, options: DoctorOptions): Promise<Outcomes> {
  const { findings, signal } = examination;
  const { facts, sessionId, neverPromptedId } = tested;
  const able = { resume: facts.canResume, load: facts.canLoad, close: facts.canClose };
  /** A life for the checks, where the agent advertises one of the methods and, but for ids that nobody had, has a session. */
  const life = async <T>(
    checks: readonly [CheckId, ...CheckId[]],
    needs: readonly (keyof typeof able)[],
    work: (agent: RunningAgent) => Promise<T>,
    any = false,
  ): Promise<T | null> => {
    const advertised = needs.some((method) => able[method]);
    if (advertised && (any || sessionId !== null)) return survived(examination, checks[0], () => again(examination, checks[0], work));
    const why = advertised ? NO_SESSION : `It does not advertise ${needs.map((method) => `session/${method}`).join(' or ')}.`;
    for (const id of checks) findings.skip(id, why);
    return null;
  };
  const revived = { ...tested, sessionId: sessionId ?? '', ...options };
  const back = (how: How) => life(BACK[how], [how], (agent) => comeBack(agent, examination, revived, how));
  // Resume goes first: what it adds to the conversation makes the replay longer and so the better witness.
  const came = { resume: await back('resume'), load: await back('load') };
  const native = (['resume', 'load'] as const).find((how) => came[how]?.outcome === 'ok' && !lost(how, came[how]));
  if (native === undefined)
    // Where no session comes back there is nothing more to see of the preambles.
    for (const { way } of tested.given)
      findings.pass(way.check, `${reached(way.what)}. It brings no session back itself, so a client gives the record anew each time.`);
  else if (tested.given.length > 0)
    await life(['preamble-inline'], [native], (agent) => checkPreambles(agent, examination, tested, native));
  const asked = (how: How) =>
    life([`unknown-session-${how}`], [how], (agent) => checkUnknownSession(agent, examination, sessionId, how), true);
  const unknownSession = { load: await asked('load'), resume: await asked('resume') };
  await life(['never-prompted'], ['resume', 'load'], (agent) => checkNeverPrompted(agent, examination, neverPromptedId));
  await life(['close'], ['close'], (agent) => checkClose(agent, examination));
  signal.throwIfAborted();
  await survived(examination, 'clean-exit', () => exitChecks(examination, options));
  return {
    ...came,
    examined: sessionId !== null,
    capabilities: { resume: facts.canResume, load: facts.canLoad, list: facts.canList },
    said: tested.said.length > 0,
    version: facts.protocolVersion,
    unknownSession,
  };
}

/** One that cannot be started any more fails its first check, not the whole examination. */
async function survived<T>({ findings, signal }: Examination, check: CheckId, work: () => Promise<T>): Promise<T | null> {
  signal.throwIfAborted();
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    findings.fail(check, `It could not be started again: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

/** A process for one check, which is of use only when `initialize` works again; where it does not, the check fails. */
function again<T>(examination: Examination, check: CheckId, work: (agent: RunningAgent) => Promise<T>): Promise<T | null> {
  return withAgent(examination, async (agent, { facts, failure, ms }) => {
    if (facts) return work(agent);
    examination.findings.fail(check, `Started again, it ${failure}.`, ms);
    return null;
  });
}

type Revived = AgentUnderTest & { readonly sessionId: string } & Pick<DoctorOptions, 'clockMs' | 'onNotice'>;

/**
 * Takes the session up by one method. One that is lost gets a second hearing with another session, in the clock minute after that was
 * prompted: a store that works by the minute would else give a verdict of chance.
 */
async function comeBack(agent: RunningAgent, examination: Examination, tested: Revived, how: How): Promise<ComingBack> {
  const { findings, signal } = examination;
  const { clockMs = 60_000, onNotice, codeword, facts } = tested;
  const [check] = BACK[how];
  const method = methodOf(how, facts.protocolVersion);
  const first = new Findings();
  const outcome = await takenUp(agent, { ...examination, findings: first }, tested, how);
  const another = codeword !== null && lost(how, outcome) ? await anotherSession(agent, examination) : null;
  if (another !== null) {
    onNotice?.(`It did not bring a session back with ${method}. doctor tries once more when the clock minute is over.`);
    // Until the next unit of the clock has begun.
    const ms = clockMs === 0 ? 0 : clockMs - (Date.now() % clockMs) + 50;
    await within(new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true })), ms);
    const second = { ...examination, findings: new Findings() };
    const heard = await again(second, check, (next) => takenUp(next, second, { ...tested, ...another }, how));
    if (heard !== null && !lost(how, heard)) {
      findings.fail(
        check,
        `It loses a session that is taken up with ${method} in the clock minute in which it was made or last used; a minute later another one came back. (${first.get(check)?.detail})`,
      );
      findings.add(second.findings);
      return heard;
    }
  }
  findings.add(first);
  return outcome;
}

/** A session that was told a word by a process that is killed then; null where that cannot be had again. */
async function anotherSession(agent: RunningAgent, examination: Examination) {
  await agent.end();
  const said: Message[] = [];
  return withAgent(examination, async (next, { facts }) => {
    const { sessionId } = facts ? await next.newSession(examination.cwd) : { sessionId: null };
    if (sessionId === null) return null;
    const { codeword } = await checkPrompt(new Findings(), next, sessionId, said);
    return { sessionId, said, codeword };
  });
}

async function takenUp(agent: RunningAgent, examination: Examination, tested: Revived, how: How): Promise<ComingBack> {
  const { findings, cwd } = examination;
  const [check] = BACK[how];
  const { answer, outcome, evidence } = await agent.takeUp(how, tested.sessionId, cwd);
  if (outcome === 'success') {
    await agent.quiet();
    const verification = how === 'load' ? checkReplay(findings, tested, agent, answer.updates) : checkSilence(findings, tested, agent);
    return { outcome: 'ok', forgotten: !(await remembers(agent, tested, examination, how, answer.ms)), verification };
  }
  const detail = `After kill -9 it did not bring the session back: a client reads ${outcome} (${evidence}).`;
  // An agent may keep only sessions that were prompted; without a prompt its forgetting says nothing.
  if (outcome === 'unknown_session' && tested.said.length === 0)
    findings.skip(
      check,
      `It forgets a session that was never prompted; whether it brings others back needs a prompt: ${UNTRIED[tested.prompts]}.`,
    );
  else if (outcome === 'unsupported') findings.breach(check, detail, answer.ms);
  else findings.fail(check, detail, answer.ms);
  return { outcome, forgotten: false, verification: null };
}

const NO_MESSAGES = 'The session holds no messages that could be replayed.';
const conversation = (updates: readonly unknown[]): number => updates.filter((update) => isConversation(update)).length;

function checkSilence(findings: Findings, { said }: AgentUnderTest, { updates }: RunningAgent): Verification {
  const replayed = conversation(updates);
  if (replayed > 0) {
    const detail = `It sent ${count(replayed, 'update')} of the conversation on session/resume, which must not replay; a client would store or show them twice.`;
    findings.breach('resume-silent', detail);
  } else if (said.length === 0) findings.skip('resume-silent', NO_MESSAGES);
  else findings.pass('resume-silent', 'session/resume replayed nothing.');
  return 'unverified';
}

/** Holds the replay against what was said, as a client does. */
function checkReplay(findings: Findings, { said }: AgentUnderTest, { updates }: RunningAgent, before: number): Verification {
  if (said.length === 0) {
    for (const id of ['replay-complete', 'replay-before-response'] as const) findings.skip(id, NO_MESSAGES);
    return 'replay-empty';
  }
  const { expected, matched, missing, outOfOrder, beside, extra } = compare(said, messagesIn(updates));
  const more = [
    ...(beside.length > 0 ? [` ${count(beside.length, 'message')} beside a reply did not come (${quote(beside[0]?.text ?? '')}).`] : []),
    ...(extra > 0 ? [` ${count(extra, 'further message')} came too (repeats, or what it added).`] : []),
  ].join('');
  if (missing === null) findings.pass('replay-complete', `All ${count(expected, 'message')} came, in order.${more}`);
  else {
    const what = outOfOrder ? 'out of its order came' : 'missing was';
    const detail = `${matched} of ${count(expected, 'message')} came in order; ${what} the ${missing.role}’s ${quote(missing.text)}.${more}`;
    findings.breach('replay-complete', detail);
  }
  const [all, late] = [conversation(updates), conversation(updates.slice(before))];
  if (all === 0) findings.skip('replay-before-response', 'Nothing was replayed.');
  else if (late === 0) findings.pass('replay-before-response', `All ${count(all, 'update')} came before the response.`);
  else {
    const detail = `${late} of ${count(all, 'update')} came after the response, so a client may take them for new.`;
    findings.breach('replay-before-response', detail);
  }
  if (missing === null) return 'replay-matched';
  return matched > 0 ? 'replay-partial' : all === 0 ? 'replay-empty' : 'replay-mismatch';
}

/** Asks for the codeword, where the agent could say it before it was killed. True unless it has forgotten. */
async function remembers(agent: RunningAgent, tested: Revived, { findings, cwd }: Examination, how: How, ms: number): Promise<boolean> {
  const { codeword, facts, prompts, said, sessionId } = tested;
  const [check] = BACK[how];
  const method = methodOf(how, facts.protocolVersion);
  if (codeword === null) {
    const shown = facts.canList ? await agent.listed(sessionId, cwd) : 'unknown';
    const list = {
      present: 'and its list shows the session',
      absent: 'but its list does not show the session',
      unknown: 'and it has no list to check that with',
    }[shown];
    const detail = `After kill -9 it answered ${method} with success, ${list}. Whether it remembers was not tried: ${UNTRIED[prompts]}.`;
    const forgotten = shown === 'absent' && said.length > 0;
    findings[forgotten ? 'fail' : 'pass'](check, detail, ms);
    return !forgotten;
  }
  const asked = await agent.askFor(sessionId, 'codeword', said);
  const remembered = asked.reply.includes(codeword);
  if (remembered) findings.pass(check, `After kill -9 it came back with ${method} and remembered what it had been told.`, ms);
  else {
    const detail = `After kill -9 it answered ${method} with success and had forgotten everything: asked for the codeword, ${instead(asked)}.`;
    findings.breach(check, detail, ms);
  }
  return remembered;
}

const reached = (what: string) => `A record that is given as ${what} reaches its model`;

/** Whether the preambles that reached the model are still there, asked by the word that nobody said since. */
async function checkPreambles(agent: RunningAgent, { findings, cwd }: Examination, tested: AgentUnderTest, how: How): Promise<void> {
  const method = methodOf(how, tested.facts.protocolVersion);
  for (const { way, sessionId, secondWord } of tested.given) {
    const { answer, outcome } = await agent.takeUp(how, sessionId, cwd);
    if (outcome !== 'success') {
      findings.skip(way.check, `${reached(way.what)}. Whether it is kept was not seen: that session did not come back (${outcome}).`);
      continue;
    }
    await agent.quiet();
    const asked = await agent.askFor(sessionId, 'second word', []);
    if (asked.reply.includes(secondWord))
      findings.pass(way.check, `${reached(way.what)}, and is still there after kill -9 and ${method}.`, answer.ms);
    else {
      const detail = `${reached(way.what)}, but is gone after kill -9 and ${method}: asked for another word in it, ${instead(asked)}. A client has to give it again.`;
      findings.fail(way.check, detail, answer.ms);
    }
  }
}

/** Asks for a session that never was. */
async function checkUnknownSession(
  agent: RunningAgent,
  { findings, cwd }: Examination,
  known: string | null,
  how: How,
): Promise<UnknownSessionAnswer> {
  const id = `unknown-session-${how}` as const;
  const { answer, outcome, evidence } = await agent.takeUp(how, unknownIdLike(known), cwd);
  const said = answer.kind === 'refused' ? `It said: ${errorWords(answer.error)}.` : '';
  const breach = (detail: string) => findings.breach(id, detail, answer.ms);
  switch (outcome) {
    case 'success':
      breach('It claims success for a session it never had: a user would go on talking to an agent that forgot, without knowing.');
      break;
    case 'hang':
    case 'crash':
      breach(`For a session it never had, it ${answer.failure}.`);
      break;
    case 'unsupported':
      breach(`It ${offers(agent, `session/${how}`)}, but does not know it (${evidence}). ${said}`);
      break;
    case 'auth_required':
      findings.skip(id, `It wants you to sign in first. ${said}`);
      break;
    case 'unknown_session': {
      const { error } = answer as Extract<Answer, { kind: 'refused' }>;
      const specification = error.code === -32002 ? '' : ' The specification asks for −32002 with data.sessionId.';
      // The name of the rule; the rest of the evidence repeats the error.
      const rule = evidence.split(':')[0];
      findings.pass(id, `A client can tell: ${errorWords(error)} reads as unknown session (${rule}).${specification}`, answer.ms);
      break;
    }
    default:
      findings.fail(
        id,
        `A client reads ${outcome}, so it must stop instead of going on with a transcript (${evidence}). ${said}`,
        answer.ms,
      );
  }
  return outcome;
}

/** Comes back to a session that was created and never prompted. */
async function checkNeverPrompted(agent: RunningAgent, { findings, cwd }: Examination, sessionId: string | null): Promise<void> {
  if (sessionId === null) return findings.skip('never-prompted', 'It made no second session in one process.');
  const how = agent.protocol.facts.canResume ? 'resume' : 'load';
  const { answer, outcome, evidence } = await agent.takeUp(how, sessionId, cwd);
  const words: Partial<Record<TakenUp['outcome'], string>> = {
    success: `A session that was never prompted comes back with session/${how}.`,
    unknown_session: `It forgets a session that was never prompted and says so (${evidence}); nothing is lost by that.`,
  };
  const bad = `It does not bring a session back that was never prompted, and a client reads ${outcome} (${evidence}).`;
  findings[words[outcome] ? 'pass' : 'fail']('never-prompted', words[outcome] ?? bad, answer.ms);
}

/** Closes a session. */
async function checkClose(agent: RunningAgent, { findings, cwd }: Examination): Promise<void> {
  const { sessionId, ms } = await agent.newSession(cwd);
  if (sessionId === null) return findings.fail('close', 'It could not make another session to close.', ms);
  const answer = await agent.ask((protocol, patience) => protocol.closeSession(sessionId, patience));
  if (answer.kind === 'answered') findings.pass('close', 'session/close ends a session.', answer.ms);
  else findings.breach('close', `It ${offers(agent, 'session/close')}, but ${answer.failure}.`, answer.ms);
}

/**
 * A session id that looks like the agent's own and is not one: same length, same kinds of characters, same prefix.
 * An agent that checks an id's form before it looks for the session then has nothing to object to.
 */
export function unknownIdLike(sample: string | null, random: () => number = Math.random): string {
  const pick = (from: string): string => from[Math.floor(random() * from.length)] ?? '';
  if (sample === null || /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(sample))
    return 'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx'.replace(/x/g, () => pick('0123456789abcdef'));
  // What stands before the first separator is a kind (`ses_`, `thread-`), not part of the number.
  const prefix = /^[A-Za-z]+[_:-]/.exec(sample)?.[0] ?? '';
  const kinds = ['0123456789', 'abcdef', 'ghijklmnopqrstuvwxyz', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
  const number = sample.slice(prefix.length).replace(/[0-9A-Za-z]/g, (char) => pick(kinds.find((kind) => kind.includes(char)) ?? char));
  return prefix + number === sample ? `${sample}0` : prefix + number;
}

// ---------------------------------------------------------------- the end

/** How long what an agent started may take to follow it. */
const FOLLOW_MS = 3_000;

/** Whether it ends by itself when its input closes, and what it leaves behind. Ended as by a host, but that nothing is cleared away before it was seen. */
async function exitChecks(examination: Examination, { command, args, env, graceMs = STDIO_LIMITS.askMs }: DoctorOptions): Promise<void> {
  const { cwd, findings, signal, protocol } = examination;
  let running: RunningProcess | undefined;
  const noise: string[] = [];
  const launcher: Examination['launcher'] = {
    async launch() {
      const spec = { name: 'agent', command, args, cwd, env: { ...process.env, ...env } };
      const { stdin, stdout, exited } = (running = await startProcess(spec, { signal, limits: STDIO_LIMITS, keepOrphans: true }));
      const note = (line: Uint8Array) => void noise.push(Buffer.from(line).toString('utf8'));
      return {
        stream: messageStream('agent', { stdin, stdout, note }, STDIO_LIMITS),
        exited,
        end: () => exited,
        diagnostics: () => noise.join('\n'),
      };
    },
  };
  try {
    const agent = await RunningAgent.start({ ...examination, launcher });
    // A session is where agents start helpers.
    if ((await agent.introduce(protocol)).facts) await agent.newSession(cwd);
    const printed = agent
      .diagnostics()
      .split('\n')
      .filter((line) => line.trim() !== '');
    if (printed.length > 0) {
      const detail = `Not all it writes on stdout is ACP; ${count(printed.length, 'time')} something else came: ${quote(printed[0] ?? '')}.`;
      findings.breach('initialize', detail);
    }
    await checkExit(findings, running!, graceMs);
  } finally {
    await running?.end('kill');
  }
}

async function checkExit(findings: Findings, { left, pid, stdin, tree }: RunningProcess, graceMs: number): Promise<void> {
  // The end of its output comes before the news of its exit.
  if ((await within(left, 100)) !== undefined) {
    for (const id of ['clean-exit', 'no-orphans'] as const) findings.skip(id, 'It died before its input was closed.');
    return;
  }
  const isWindows = process.platform === 'win32';
  // Remembered while the tree is whole: a child that leaves its group later cannot hide.
  const before = isWindows ? 1 : (await tree.survivors()).length;
  const began = performance.now();
  stdin.end();
  let how = '; SIGTERM ended it';
  let exit = await within(left, graceMs);
  if (exit?.code === 0) findings.pass('clean-exit', 'It exited with code 0 when its input closed.', performance.now() - began);
  else if (exit) {
    const end = exit.signal ? `died of ${exit.signal}` : `exited with code ${exit.code}`;
    findings.fail('clean-exit', `When its input closed it ${end}, which a client must take for a crash.`, performance.now() - began);
  } else {
    await tree.signal('SIGTERM');
    exit = await within(left, STDIO_LIMITS.termMs);
    if (!exit) {
      how = ', and in spite of SIGTERM; a client has to kill it';
      // Itself alone: what it started must be able to show whether it follows.
      process.kill(pid, 'SIGKILL');
      await within(left, STDIO_LIMITS.goneMs);
    }
    const detail = `It was still running ${seconds(graceMs)} after its input had closed${how}.`;
    findings.fail('clean-exit', detail, performance.now() - began);
  }
  if (isWindows) return findings.skip('no-orphans', 'Not examined on Windows.');
  let orphans = await tree.survivors();
  for (const deadline = performance.now() + FOLLOW_MS; orphans.length > 0 && performance.now() < deadline; orphans = await tree.survivors())
    await new Promise((resolve) => setTimeout(resolve, 50));
  if (orphans.length === 0) findings.pass('no-orphans', `Nothing was left of its ${count(before, 'process')}.`);
  else findings.fail('no-orphans', `It left ${count(orphans.length, 'process')} behind: ${orphans.map(nameOf).join(', ')}.`);
}

function nameOf({ pid }: ProcessEntry): string {
  if (process.platform !== 'linux') return String(pid);
  try {
    return `${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()} (${pid})`;
  } catch {
    return String(pid); // it went just now
  }
}
