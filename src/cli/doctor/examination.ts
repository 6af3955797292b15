/**
 * `rehydrate doctor`: how well an ACP agent's sessions survive its death, found out by killing it. One process makes sessions, is told
 * something in each, and is killed; every later one is asked for one thing. Told in that order, from top to bottom.
 */
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { stdioLauncher } from '../../adapters/stdio/index.ts';
import { STDIO_LIMITS } from '../../adapters/stdio/limits.ts';
import type { AgentFacts } from '../../engine/protocol/agent-protocol.ts';
import { fieldsOf, isConversation, stringOf } from '../../engine/protocol/updates.ts';
import { readInitialize } from '../../engine/protocol/versions.ts';
import { buildPreamble } from '../../engine/transcript/preamble.ts';
import { renderTranscript } from '../../engine/transcript/render.ts';
import type { ContentBlock, SessionEvent, Verification } from '../../engine/types.ts';
import { whereTyped } from '../agent-words.ts';
import { count, oneLine, quote } from '../format.ts';
import { askFor, errorWords, failureWords, listed, promptAgent, sessionIdOf, supports, takeUp, wantsAuth } from './agent.ts';
import type { AdvertisedMethod } from './agent.ts';
import { withAgent, withAgentAgain, type Answer, type Examination, type NativeMethod, type RunningAgent } from './agent.ts';
import { exitChecks, type AgentCommand } from './exit.ts';
import { compare, messagesIn, type Message } from './messages.ts';
import { Findings, NO_SESSION, type CheckId, type DoctorReport, type UnknownSessionAnswer } from './report.ts';
import { lost, verdictOf, type ComingBack, type Outcomes } from './verdict.ts';

export interface DoctorOptions extends AgentCommand {
  /** How long each answer may take, in milliseconds. Default 60 000. */
  readonly timeoutMs?: number;
  /** False sends no prompt, so that no model is asked. Default true. */
  readonly prompt?: boolean;
  /** Signs in with this method of the agent's at each start. */
  readonly auth?: string | undefined;
  /** How long it may take to end after its input closed, in milliseconds. Default: as long as a host gives it. */
  readonly graceMs?: number;
  /** How long the units of clock time are that a store may be cut into, in milliseconds. Default: a minute. */
  readonly clockMs?: number;
  /** Told what is about to happen, before it does: that a model will be prompted, that there is a wait. */
  readonly onNotice?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export const PROMPT_NOTICE =
  'doctor will send up to ten short prompts to the agent, which may ask its model and cost a little. --no-prompt skips that.';

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

/**
 * Examines an agent: starts it about nine times in a scratch directory, kills it, and asks for its
 * sessions back. Rejects with `RehydrateError` (`agent_start_failed`, …) when it cannot be started at
 * all, and with the signal's reason; no process is left either way.
 */
export async function runDoctor(options: DoctorOptions): Promise<DoctorReport> {
  const { env, timeoutMs = 60_000, prompt = true, auth, graceMs = STDIO_LIMITS.askMs, signal = new AbortController().signal } = options;
  // Files are meant as seen from here, and not from the scratch directory.
  const [command = '', ...args] = whereTyped([options.command, ...options.args]);
  const cwd = await realpath(await mkdtemp(path.join(os.tmpdir(), 'rehydrate-doctor-')));
  const findings = new Findings();
  const defined = Object.fromEntries(Object.entries(env ?? {}).filter((entry): entry is [string, string] => entry[1] !== undefined));
  const launcher = stdioLauncher({ agents: { agent: { command, args, env: defined } } });
  const examination: Examination = { launcher, cwd, timeoutMs, signal, auth, findings };
  try {
    if (prompt) options.onNotice?.(PROMPT_NOTICE);
    const tested = await firstLife(examination, prompt);
    signal.throwIfAborted();
    const outcomes = tested && (await laterLives(examination, tested, { ...options, command, args, graceMs }));
    signal.throwIfAborted();
    const checks = findings.all(
      tested === null ? 'It did not get past initialize.' : tested.sessionId === null ? NO_SESSION : 'It could not be tried.',
    );
    const { info = null, capabilities = null } = tested?.facts ?? {};
    return {
      agent: { command: path.basename(command), name: info?.name ?? null, version: info?.version ?? null },
      protocolVersion: tested === null ? null : 1,
      capabilities,
      checks,
      verdict: verdictOf(outcomes, checks),
    };
  } finally {
    await rm(cwd, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** What works before anything goes wrong; ends by `kill -9`. Null when nothing more can be examined. */
function firstLife(examination: Examination, prompting: boolean): Promise<AgentUnderTest | null> {
  const { findings, cwd } = examination;
  return withAgent(examination, async (agent, initialized) => {
    const facts = checkInitialize(examination, initialized);
    if (facts === null) return null;
    const said: Message[] = [];
    const sessionId = await checkNew(examination, agent, facts);
    if (sessionId === null) return { facts, sessionId, neverPromptedId: null, said, prompts: 'none', codeword: null, given: [] };
    // A greeting that comes with a new session is not part of the first reply.
    await agent.quiet();
    let prompted: Prompted = { prompts: 'none', codeword: null };
    if (prompting) prompted = await checkPrompt(examination, agent, sessionId, said);
    else findings.skip('prompt', 'Not asked to prompt a model (--no-prompt).');
    // After the first session was prompted, and never prompted itself.
    const second = await agent.ask('session/new', { cwd, mcpServers: [] });
    if (second.kind === 'ended') findings.skip('list', 'It died before its list could be asked for.');
    else await checkList(examination, agent, facts, sessionId, said.length > 0);
    const given = await givePreambles(examination, agent, facts, prompted);
    const neverPromptedId = second.kind === 'answered' ? sessionIdOf(second.result) : null;
    return { facts, sessionId, neverPromptedId, said, given, ...prompted };
  });
}

function checkInitialize({ findings }: Examination, answer: Answer): AgentFacts | null {
  if (answer.kind !== 'answered') {
    findings.fail('initialize', `It ${failureWords('initialize', answer)}.`, answer.ms, { breaksProtocol: true });
    return null;
  }
  const facts = readInitialize(answer.result);
  if (typeof facts === 'string') {
    // An agent that speaks another version says so, as the protocol wants it.
    const { protocolVersion } = fieldsOf(answer.result);
    const otherVersion = typeof protocolVersion === 'number' && protocolVersion > 1;
    if (otherVersion) findings.skip('initialize', `It speaks ACP ${protocolVersion} only, and doctor examines ACP 1.`);
    else findings.fail('initialize', `${facts[0]?.toUpperCase()}${facts.slice(1)}.`, answer.ms, { breaksProtocol: true });
    return null;
  }
  const offers = [facts.canResume && 'resume', facts.canLoad && 'load', facts.canList && 'list'].filter(Boolean).join(', ');
  findings.pass('initialize', `Speaks ACP 1 and advertises ${offers || 'none of resume, load and list'}.`, answer.ms);
  return facts;
}

async function checkNew({ findings, cwd, auth }: Examination, agent: RunningAgent, facts: AgentFacts): Promise<string | null> {
  const answer = await agent.ask('session/new', { cwd, mcpServers: [] });
  if (wantsAuth(answer)) {
    const how = auth === undefined ? 'Sign in with its own command, or name a method with --auth' : `Signing in with ${auth} did not do`;
    findings.skip('new', `It wants you to sign in first (methods: ${methodNames(facts.authMethods)}). ${how}, and run doctor again.`);
    return null;
  }
  const sessionId = answer.kind === 'answered' ? sessionIdOf(answer.result) : null;
  if (sessionId !== null) findings.pass('new', `Made the session ${sessionId}.`, answer.ms);
  else if (answer.kind === 'answered')
    findings.fail('new', 'It answered session/new without a sessionId.', answer.ms, { breaksProtocol: true });
  // An error is an answer: the agent may have a reason that has nothing to do with the protocol.
  else findings.fail('new', `It ${failureWords('session/new', answer)}.`, answer.ms, { breaksProtocol: answer.kind !== 'refused' });
  return sessionId;
}

/** The ids of an agent's ways to sign in. They are untrusted: what has no id cannot be named, and is no reason to stop. */
export function methodNames(methods: readonly unknown[]): string {
  const ids = methods.map((method) => oneLine(stringOf(fieldsOf(method)['id']), 60));
  return ids.filter((id) => id !== '').join(', ') || 'none named';
}

type Prompted = Pick<AgentUnderTest, 'prompts' | 'codeword'>;

/** A word that no agent has heard before. */
const word = (bird: string): string => `${bird}-${1000 + Math.floor(Math.random() * 9000)}`;

/** Tells it a word and asks for it back while it is alive: an agent that cannot say it now is no witness later. */
async function checkPrompt({ findings }: Examination, agent: RunningAgent, sessionId: string, said: Message[]): Promise<Prompted> {
  const codeword = word('heron');
  const telling = `Remember that the codeword is ${codeword}. Answer with OK only, without using any tool.`;
  const { answer, reply } = await promptAgent(agent, sessionId, telling, said);
  const stopReason = answer.kind === 'answered' ? fieldsOf(answer.result)['stopReason'] : undefined;
  if (typeof stopReason !== 'string') {
    if (wantsAuth(answer)) findings.skip('prompt', 'It wants you to sign in before it answers a prompt.');
    else if (answer.kind === 'refused')
      findings.skip('prompt', `It could not answer a prompt here, perhaps for want of a model: ${errorWords(answer.error)}.`);
    else {
      const did = answer.kind === 'answered' ? 'answered session/prompt without a stopReason' : failureWords('session/prompt', answer);
      findings.fail('prompt', `It ${did}.`, answer.ms, { breaksProtocol: true });
    }
    return { prompts: 'refused', codeword: null };
  }
  findings.pass('prompt', `Answered with ${count(reply.length, 'message')} and the stop reason ${oneLine(stopReason, 60)}.`, answer.ms);
  const asked = await askFor(agent, sessionId, 'codeword', said);
  return { prompts: 'answered', codeword: asked.reply.includes(codeword) ? codeword : null };
}

async function checkList(
  { findings, cwd }: Examination,
  agent: RunningAgent,
  facts: AgentFacts,
  sessionId: string,
  prompted: boolean,
): Promise<void> {
  if (!facts.canList) return findings.skip('list', 'It does not advertise session/list.');
  const began = performance.now();
  const shown = await listed(agent, sessionId, cwd);
  const ms = performance.now() - began;
  if (shown === 'present') findings.pass('list', 'session/list, asked with the session’s cwd, shows the session.', ms);
  else if (shown === 'unknown')
    findings.fail('list', 'It advertises session/list, but gave no list that could be read to its end.', ms, { breaksProtocol: true });
  else if (prompted)
    findings.fail(
      'list',
      'session/list, asked with the session’s cwd, does not show the session, so a client cannot tell a lost session from an error.',
      ms,
    );
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
async function givePreambles(
  { findings, cwd }: Examination,
  agent: RunningAgent,
  facts: AgentFacts,
  { prompts, codeword }: Prompted,
): Promise<readonly GivenPreamble[]> {
  const given: GivenPreamble[] = [];
  for (const way of PREAMBLES) {
    const { mode, check, what } = way;
    if (codeword === null) {
      findings.skip(check, `Whether it reaches the model was not tried: ${UNTRIED[prompts]}.`);
    } else if (mode === 'resource' && !facts.embeddedContext) {
      findings.skip(check, 'It does not advertise promptCapabilities.embeddedContext, so a client gives it none.');
    } else {
      const made = await agent.ask('session/new', { cwd, mcpServers: [] });
      const sessionId = made.kind === 'answered' ? sessionIdOf(made.result) : null;
      if (sessionId === null) {
        findings.skip(check, 'It made no further session in one process to try it in.');
        continue;
      }
      await agent.quiet();
      const [firstWord, secondWord] = [word('curlew'), word('plover')];
      const asked = await askFor(agent, sessionId, 'first word', [], await preambleOf(mode, firstWord, secondWord));
      if (asked.reply.includes(firstWord)) given.push({ way, sessionId, secondWord });
      else
        findings.fail(
          check,
          `A record of an earlier conversation, given as ${what}, did not reach its model: asked for a word in it, ${instead(asked)}.`,
          asked.answer.ms,
        );
    }
  }
  return given;
}

/** The very blocks that a host sends, about a conversation that never was. */
async function preambleOf(mode: 'inline' | 'resource', firstWord: string, secondWord: string): Promise<ContentBlock[]> {
  const told = `Remember that the first word is ${firstWord}. Remember that the second word is ${secondWord}.`;
  const chunk = (role: 'user' | 'agent', text: string) => ({
    sessionUpdate: `${role}_message_chunk` as const,
    content: { type: 'text' as const, text },
  });
  const event = (seq: number, origin: 'host' | 'agent', payload: ReturnType<typeof chunk>): SessionEvent =>
    ({ seq, turnId: 'earlier', at: 0, kind: 'update', origin, payload }) as SessionEvent;
  const transcript = await renderTranscript([event(2, 'agent', chunk('agent', 'OK')), event(1, 'host', chunk('user', told))]);
  return buildPreamble({ transcript, mode });
}

/** What an agent did that did not say what it was asked for. */
const instead = ({ answer, reply }: { readonly answer: Answer; readonly reply: string }): string =>
  answer.kind === 'answered' ? `it said ${quote(reply)}` : 'it did not answer the prompt';

/** Every later life, each a process of its own, in order. */
async function laterLives(
  examination: Examination,
  tested: AgentUnderTest,
  options: DoctorOptions & { readonly graceMs: number },
): Promise<Outcomes> {
  const { findings, signal } = examination;
  const { facts, sessionId } = tested;
  const { canResume, canLoad, canList } = facts;
  /** One that cannot be started any more fails its first check, not the whole examination. */
  const survived = async <T>(check: CheckId, work: () => Promise<T>): Promise<T | null> => {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      findings.fail(check, `It could not be started again: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
  };
  /** A life for the checks, where the agent advertises one of the methods and, but for ids that nobody had, has a session. */
  const life = <T>(
    checks: readonly [CheckId, ...CheckId[]],
    needs: readonly AdvertisedMethod[],
    work: (agent: RunningAgent) => Promise<T>,
    session: 'known' | 'any' = 'known',
  ): Promise<T | null> => {
    const advertised = needs.some((method) => supports(facts, method));
    const why = !advertised
      ? `It does not advertise ${needs.join(' or ')}.`
      : session === 'known' && sessionId === null
        ? NO_SESSION
        : null;
    if (why === null) return survived(checks[0], () => withAgentAgain(examination, checks[0], work));
    for (const id of checks) findings.skip(id, why);
    return Promise.resolve(null);
  };
  const back = { ...tested, sessionId: sessionId ?? '', ...options };
  const both = ['session/resume', 'session/load'] as const;
  // Resume goes first: what it adds to the conversation makes the replay longer and so the better witness.
  const resume = await life(COMING_BACK['session/resume'], ['session/resume'], (agent) =>
    comeBack(agent, examination, back, 'session/resume'),
  );
  const load = await life(COMING_BACK['session/load'], ['session/load'], (agent) => comeBack(agent, examination, back, 'session/load'));
  const native = resume && !lost('session/resume', resume) ? 'session/resume' : load && !lost('session/load', load) ? 'session/load' : null;
  if (native === null) reportGiven(examination, tested);
  else if (tested.given.length > 0) await life(['preamble-inline'], both, (agent) => checkPreambles(agent, examination, tested, native));
  const unknownSession = {
    load: await life(
      ['unknown-session-load'],
      ['session/load'],
      (agent) => checkUnknownSession(agent, examination, tested, 'session/load'),
      'any',
    ),
    resume: await life(
      ['unknown-session-resume'],
      ['session/resume'],
      (agent) => checkUnknownSession(agent, examination, tested, 'session/resume'),
      'any',
    ),
  };
  await life(['never-prompted'], both, (agent) => checkNeverPrompted(agent, examination, tested));
  await life(['close'], ['session/close'], (agent) => checkClose(agent, examination));
  await survived('clean-exit', () => exitChecks(examination, options, options.graceMs));
  return {
    examined: sessionId !== null,
    capabilities: { resume: canResume, load: canLoad, list: canList },
    resume,
    load,
    said: tested.said.length > 0,
    unknownSession,
  };
}

const COMING_BACK = {
  'session/resume': ['kill-and-resume', 'resume-silent'],
  'session/load': ['kill-and-load', 'replay-complete', 'replay-before-response'],
} as const;

type Revived = AgentUnderTest & { readonly sessionId: string } & Pick<DoctorOptions, 'clockMs' | 'onNotice'>;

/**
 * Takes the session up by one method. One that is lost gets a second hearing with another session, in the clock minute after that was
 * prompted: a store that works by the minute would else give a verdict of chance.
 */
async function comeBack(agent: RunningAgent, examination: Examination, tested: Revived, method: NativeMethod): Promise<ComingBack> {
  const { findings, signal } = examination;
  const { clockMs = 60_000, onNotice, codeword } = tested;
  const [check] = COMING_BACK[method];
  const first = new Findings();
  const outcome = await takenUp(agent, { ...examination, findings: first }, tested, method);
  const another = codeword !== null && lost(method, outcome) ? await anotherSession(agent, examination) : null;
  if (another !== null) {
    onNotice?.(`It did not bring a session back with ${method}. doctor tries once more when the clock minute is over.`);
    await waitForNext(clockMs, signal);
    const second = { ...examination, findings: new Findings() };
    const again = await withAgentAgain(second, check, (next) => takenUp(next, second, { ...tested, ...another }, method));
    if (again !== null && !lost(method, again)) {
      findings.fail(
        check,
        `It loses a session that is taken up with ${method} in the clock minute in which it was made or last used; a minute later another one came back. (${first.get(check)?.detail})`,
      );
      findings.add(second.findings);
      return again;
    }
  }
  findings.add(first);
  return outcome;
}

/** A session that was told a word by a process that is killed then; null where that cannot be had again. */
async function anotherSession(
  agent: RunningAgent,
  examination: Examination,
): Promise<Pick<Revived, 'said' | 'codeword' | 'sessionId'> | null> {
  await agent.end();
  const unheard = { ...examination, findings: new Findings() };
  return withAgent(unheard, async (next) => {
    const made = await next.ask('session/new', { cwd: examination.cwd, mcpServers: [] });
    const sessionId = made.kind === 'answered' ? sessionIdOf(made.result) : null;
    if (sessionId === null) return null;
    await next.quiet();
    const said: Message[] = [];
    const { codeword } = await checkPrompt(unheard, next, sessionId, said);
    return { sessionId, said, codeword };
  });
}

/** Until the next unit of the clock has begun. */
function waitForNext(clockMs: number, signal: AbortSignal): Promise<void> {
  const ms = clockMs === 0 ? 0 : clockMs - (Date.now() % clockMs) + 50;
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}

async function takenUp(agent: RunningAgent, examination: Examination, tested: Revived, method: NativeMethod): Promise<ComingBack> {
  const { findings } = examination;
  const [check] = COMING_BACK[method];
  const { answer, outcome, evidence } = await takeUp(agent, method, tested.sessionId, examination, tested.facts);
  if (answer.kind === 'answered') {
    await agent.quiet();
    const verification =
      method === 'session/load' ? checkReplay(examination, tested, agent, answer.updates) : checkSilence(examination, tested, agent);
    return { outcome: 'ok', forgotten: !(await remembers(agent, tested, examination, method, answer.ms)), verification };
  }
  // An agent may keep only sessions that were prompted; without a prompt its forgetting says nothing.
  if (outcome === 'unknown_session' && tested.said.length === 0)
    findings.skip(
      check,
      `It forgets a session that was never prompted; whether it brings others back needs a prompt: ${UNTRIED[tested.prompts]}.`,
    );
  else {
    const detail = `After kill -9 it did not bring the session back: a client reads ${outcome} (${evidence}).`;
    findings.fail(check, detail, answer.ms, { breaksProtocol: outcome === 'unsupported' });
  }
  return { outcome: outcome as Exclude<UnknownSessionAnswer, 'success'>, forgotten: false, verification: null };
}

const NO_MESSAGES = 'The session holds no messages that could be replayed.';

function checkSilence({ findings }: Examination, tested: AgentUnderTest, agent: RunningAgent): Verification {
  const replayed = agent.updates.filter((update) => isConversation(update)).length;
  if (replayed > 0)
    findings.fail(
      'resume-silent',
      `It sent ${count(replayed, 'update')} of the conversation on session/resume, which must not replay; a client would store or show them twice.`,
      0,
      { breaksProtocol: true },
    );
  else if (tested.said.length === 0) findings.skip('resume-silent', NO_MESSAGES);
  else findings.pass('resume-silent', 'session/resume replayed nothing.');
  return 'unverified';
}

/** Holds the replay against what was said, as a client does. */
function checkReplay({ findings }: Examination, tested: AgentUnderTest, agent: RunningAgent, before: number): Verification {
  if (tested.said.length === 0) {
    for (const id of ['replay-complete', 'replay-before-response'] as const) findings.skip(id, NO_MESSAGES);
    return 'replay-empty';
  }
  const { expected, matched, missing, outOfOrder, beside, extra } = compare(tested.said, messagesIn(agent.updates));
  const more = [
    ...(beside.length > 0 ? [` ${count(beside.length, 'message')} beside a reply did not come (${quote(beside[0]?.text ?? '')}).`] : []),
    ...(extra > 0 ? [` ${count(extra, 'further message')} came too (repeats, or what it added).`] : []),
  ].join('');
  if (missing === null) findings.pass('replay-complete', `All ${count(expected, 'message')} came, in order.${more}`);
  else {
    const what = outOfOrder ? 'out of its order came' : 'missing was';
    const detail = `${matched} of ${count(expected, 'message')} came in order; ${what} the ${missing.role}’s ${quote(missing.text)}.${more}`;
    findings.fail('replay-complete', detail, 0, { breaksProtocol: true });
  }
  const late = agent.updates.slice(before).filter((update) => isConversation(update)).length;
  const all = agent.updates.filter((update) => isConversation(update)).length;
  if (all === 0) findings.skip('replay-before-response', 'Nothing was replayed.');
  else if (late === 0) findings.pass('replay-before-response', `All ${count(all, 'update')} came before the response.`);
  else {
    const detail = `${late} of ${count(all, 'update')} came after the response, so a client may take them for new.`;
    findings.fail('replay-before-response', detail, 0, { breaksProtocol: true });
  }
  if (missing === null) return 'replay-matched';
  return matched > 0 ? 'replay-partial' : all === 0 ? 'replay-empty' : 'replay-mismatch';
}

/** Why its memory could not be asked for. */
const UNTRIED: Readonly<Record<AgentUnderTest['prompts'], string>> = {
  none: 'no prompt was sent',
  refused: 'the prompt that was sent was not answered',
  answered: 'it could not say the codeword back even before it was killed',
};

/** Asks for the codeword, where the agent could say it before it was killed. True unless it has forgotten. */
async function remembers(
  agent: RunningAgent,
  { codeword, facts, prompts, said, sessionId }: Revived,
  { findings, cwd }: Examination,
  method: NativeMethod,
  ms: number,
): Promise<boolean> {
  const [check] = COMING_BACK[method];
  if (codeword === null) {
    const shown = facts.canList ? await listed(agent, sessionId, cwd) : 'unknown';
    const list = {
      present: 'and its list shows the session',
      absent: 'but its list does not show the session',
      unknown: 'and it has no list to check that with',
    }[shown];
    const detail = `After kill -9 it answered ${method} with success, ${list}. Whether it remembers was not tried: ${UNTRIED[prompts]}.`;
    const forgotten = shown === 'absent' && said.length > 0;
    if (forgotten) findings.fail(check, detail, ms);
    else findings.pass(check, detail, ms);
    return !forgotten;
  }
  const asked = await askFor(agent, sessionId, 'codeword', said);
  const remembered = asked.reply.includes(codeword);
  if (remembered) findings.pass(check, `After kill -9 it came back with ${method} and remembered what it had been told.`, ms);
  else {
    const detail = `After kill -9 it answered ${method} with success and had forgotten everything: asked for the codeword, ${instead(asked)}.`;
    findings.fail(check, detail, ms, { breaksProtocol: true });
  }
  return remembered;
}

const reached = (what: string) => `A record that is given as ${what} reaches its model`;

/** Where no session comes back there is nothing more to see of the preambles. */
function reportGiven({ findings }: Examination, { given }: AgentUnderTest): void {
  for (const { way } of given)
    findings.pass(way.check, `${reached(way.what)}. It brings no session back itself, so a client gives the record anew each time.`);
}

/** Whether the preambles that reached the model are still there, asked by the word that nobody said since. */
async function checkPreambles(agent: RunningAgent, examination: Examination, tested: AgentUnderTest, method: NativeMethod): Promise<void> {
  const { findings } = examination;
  for (const { way, sessionId, secondWord } of tested.given) {
    const { answer, outcome } = await takeUp(agent, method, sessionId, examination, tested.facts);
    if (answer.kind !== 'answered') {
      findings.skip(way.check, `${reached(way.what)}. Whether it is kept was not seen: that session did not come back (${outcome}).`);
      continue;
    }
    await agent.quiet();
    const asked = await askFor(agent, sessionId, 'second word', []);
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
  examination: Examination,
  { facts, sessionId: known }: AgentUnderTest,
  method: NativeMethod,
): Promise<UnknownSessionAnswer> {
  const { findings } = examination;
  const id = method === 'session/load' ? 'unknown-session-load' : 'unknown-session-resume';
  const { answer, outcome, evidence } = await takeUp(agent, method, unknownIdLike(known), examination, facts);
  const fail = (detail: string, breaksProtocol = true) => findings.fail(id, detail, answer.ms, { breaksProtocol });
  if (answer.kind === 'answered')
    fail('It claims success for a session it never had: a user would go on talking to an agent that forgot, without knowing.');
  else if (answer.kind !== 'refused') fail(`For a session it never had, it ${failureWords(method, answer)}.`);
  else {
    const words = errorWords(answer.error);
    // The name of the rule; the rest of the evidence repeats the error.
    const rule = evidence.split(':')[0];
    const specification = answer.error.code === -32002 ? '' : ' The specification asks for −32002 with data.sessionId.';
    if (outcome === 'unknown_session')
      findings.pass(id, `A client can tell: ${words} reads as unknown session (${rule}).${specification}`, answer.ms);
    else if (outcome === 'auth_required') findings.skip(id, `It wants you to sign in first. It said: ${words}.`);
    else if (outcome === 'unsupported') fail(`It advertises ${method}, but does not have it (${evidence}). It said: ${words}.`);
    else fail(`A client reads ${outcome}, so it must stop instead of going on with a transcript (${evidence}). It said: ${words}.`, false);
  }
  return outcome;
}

/** Comes back to a session that was created and never prompted. */
async function checkNeverPrompted(
  agent: RunningAgent,
  examination: Examination,
  { facts, neverPromptedId }: AgentUnderTest,
): Promise<void> {
  const { findings } = examination;
  if (neverPromptedId === null) return findings.skip('never-prompted', 'It made no second session in one process.');
  const method = facts.canResume ? 'session/resume' : 'session/load';
  const { answer, outcome, evidence } = await takeUp(agent, method, neverPromptedId, examination, facts);
  const found = (how: 'pass' | 'fail', detail: string) => findings[how]('never-prompted', detail, answer.ms);
  if (outcome === 'success') found('pass', `A session that was never prompted comes back with ${method}.`);
  else if (outcome === 'unknown_session')
    found('pass', `It forgets a session that was never prompted and says so (${evidence}); nothing is lost by that.`);
  else found('fail', `It does not bring a session back that was never prompted, and a client reads ${outcome} (${evidence}).`);
}

/** Closes a session. */
async function checkClose(agent: RunningAgent, { findings, cwd }: Examination): Promise<void> {
  const made = await agent.ask('session/new', { cwd, mcpServers: [] });
  const sessionId = made.kind === 'answered' ? sessionIdOf(made.result) : null;
  if (sessionId === null) return findings.fail('close', 'It could not make another session to close.', made.ms);
  const answer = await agent.ask('session/close', { sessionId });
  if (answer.kind === 'answered') return findings.pass('close', 'session/close ends a session.', answer.ms);
  const detail = `It advertises session/close, but ${failureWords('session/close', answer)}.`;
  findings.fail('close', detail, answer.ms, { breaksProtocol: true });
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
  const number = sample
    .slice(prefix.length)
    .replace(/[0-9]/g, () => pick('0123456789'))
    .replace(/[a-f]/g, () => pick('abcdef'))
    .replace(/[g-z]/g, () => pick('ghijklmnopqrstuvwxyz'))
    .replace(/[A-Z]/g, () => pick('ABCDEFGHIJKLMNOPQRSTUVWXYZ'));
  return prefix + number === sample ? `${sample}0` : prefix + number;
}
