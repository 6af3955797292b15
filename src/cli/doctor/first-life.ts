/** The first life: what works before anything goes wrong, and what is left behind to come back to. */
import { classifyResumeFailure } from '../../engine/resume/classify.ts';
import { readInitialize, type AgentFacts } from '../../engine/protocol/v1.ts';
import { fieldsOf, stringOf } from '../../engine/protocol/updates.ts';
import { oneLine } from '../format.ts';
import type { Answer, ExaminedAgent } from './agent.ts';
import { CODEWORD_QUESTION, life, listed, prompt, type Examination, type Patient } from './examination.ts';
import { messagesIn, type Message } from './messages.ts';
import { count } from '../format.ts';
import { errorWords, failureWords } from './agent.ts';

/** Creates sessions, prompts one, and dies by `kill -9`. Null when nothing more can be examined. */
export function firstLife(examination: Examination, prompts: boolean): Promise<Patient | null> {
  return life(examination, async (agent, initialized) => {
    const facts = readIntroduction(examination, initialized);
    if (facts === null) return null;
    const made = await newSession(examination, agent, facts);
    if ('why' in made) {
      return { facts, sessionId: null, neverPromptedId: null, said: [], prompts: false, codeword: null, withoutSession: made.why };
    }
    const said: Message[] = [];
    // A greeting that comes with a new session is not part of the first reply.
    await agent.quiet();
    const codeword = prompts ? await promptTwice(examination, agent, made.sessionId, said) : null;
    if (!prompts) examination.findings.skip('prompt', 'Not asked to prompt a model (--no-prompt).');
    // After the first session was prompted, and never prompted itself.
    const second = await agent.ask('session/new', { cwd: examination.cwd, mcpServers: [] });
    if (second.kind === 'ended') examination.findings.skip('list', 'It died before its list could be asked for.');
    else await examineList(examination, agent, facts, made.sessionId, said.length > 0);
    return {
      facts,
      sessionId: made.sessionId,
      neverPromptedId: second.kind === 'answered' ? sessionIdOf(second.result) : null,
      said,
      prompts: examination.findings.get('prompt')?.outcome === 'pass',
      codeword,
      withoutSession: '',
    };
  });
}

function readIntroduction({ findings }: Examination, answer: Answer): AgentFacts | null {
  if (answer.kind !== 'answered') {
    findings.fail('initialize', `It ${failureWords('initialize', answer)}.`, answer.ms, { breaksProtocol: true });
    return null;
  }
  const facts = readInitialize(answer.result);
  if (typeof facts === 'string') {
    findings.fail('initialize', `${facts[0]?.toUpperCase()}${facts.slice(1)}.`, answer.ms, { breaksProtocol: true });
    return null;
  }
  const offers = [facts.canResume && 'resume', facts.canLoad && 'load', facts.canList && 'list'].filter(Boolean).join(', ');
  findings.pass('initialize', `Speaks ACP 1 and advertises ${offers || 'none of resume, load and list'}.`, answer.ms);
  return facts;
}

export function sessionIdOf(result: unknown): string | null {
  const id = (result as { sessionId?: unknown } | null)?.sessionId;
  return typeof id === 'string' && id !== '' ? id : null;
}

async function newSession(
  { findings, cwd }: Examination,
  agent: ExaminedAgent,
  facts: AgentFacts,
): Promise<{ sessionId: string } | { why: string }> {
  const answer = await agent.ask('session/new', { cwd, mcpServers: [] });
  if (
    answer.kind === 'refused' &&
    classifyResumeFailure(answer.error, { method: 'session/new', agentSessionId: '' }).outcome === 'auth_required'
  ) {
    const why = `It wants you to sign in first (methods: ${methodNames(facts.authMethods)}). Sign in with the agent's own command and run doctor again.`;
    findings.skip('new', why);
    return { why };
  }
  if (answer.kind !== 'answered') {
    const why = `It ${failureWords('session/new', answer)}.`;
    // An error is an answer: the agent may have a reason that has nothing to do with the protocol.
    findings.fail('new', why, answer.ms, { breaksProtocol: answer.kind !== 'refused' });
    return { why: 'There is no session to try it with.' };
  }
  const sessionId = sessionIdOf(answer.result);
  if (sessionId === null) {
    findings.fail('new', 'It answered session/new without a sessionId.', answer.ms, { breaksProtocol: true });
    return { why: 'There is no session to try it with.' };
  }
  findings.pass('new', `Made the session ${sessionId}.`, answer.ms);
  return { sessionId };
}

/** The ids of an agent's ways to sign in. They are foreign data: what has no id cannot be named, and is no reason to stop. */
export function methodNames(methods: readonly unknown[]): string {
  const ids = methods.map((method) => oneLine(stringOf(fieldsOf(method)['id']), 60));
  return ids.filter((id) => id !== '').join(', ') || 'none named';
}

/**
 * Tells it a word and asks for it back while it is alive: an agent that cannot say it now is no witness
 * later. Returns the word, or null when its memory cannot be judged.
 */
async function promptTwice({ findings }: Examination, agent: ExaminedAgent, sessionId: string, said: Message[]): Promise<string | null> {
  const codeword = `heron-${1000 + Math.floor(Math.random() * 9000)}`;
  const told = await promptAgent(
    agent,
    sessionId,
    `Remember that the codeword is ${codeword}. Answer with OK only, without using any tool.`,
    said,
  );
  if (told.answer.kind !== 'answered') {
    const { answer } = told;
    const auth =
      answer.kind === 'refused' &&
      classifyResumeFailure(answer.error, { method: 'session/new', agentSessionId: '' }).outcome === 'auth_required';
    if (auth) findings.skip('prompt', 'It wants you to sign in before it answers a prompt.');
    else if (answer.kind === 'refused')
      findings.skip('prompt', `It could not answer a prompt here, perhaps for want of a model: ${errorWords(answer.error)}.`);
    else findings.fail('prompt', `It ${failureWords('session/prompt', answer)}.`, answer.ms, { breaksProtocol: true });
    return null;
  }
  const stopReason = (told.answer.result as { stopReason?: unknown } | null)?.stopReason;
  if (typeof stopReason !== 'string') {
    findings.fail('prompt', 'It answered session/prompt without a stopReason.', told.answer.ms, { breaksProtocol: true });
    return null;
  }
  findings.pass('prompt', `Answered with ${count(told.reply.length, 'message')} and the stop reason ${stopReason}.`, told.answer.ms);
  const asked = await promptAgent(agent, sessionId, CODEWORD_QUESTION, said);
  return asked.reply.some(({ text }) => text.includes(codeword)) ? codeword : null;
}

/** One turn; what was said is added to `said` when the agent answered. */
export async function promptAgent(
  agent: ExaminedAgent,
  sessionId: string,
  text: string,
  said: Message[],
): Promise<{ answer: Answer; reply: Message[] }> {
  const before = agent.updates.length;
  const answer = await agent.ask('session/prompt', { sessionId, prompt: prompt(text) });
  const reply = messagesIn(agent.updates.slice(before)).filter(({ role }) => role === 'agent');
  if (answer.kind === 'answered') said.push({ role: 'user', text }, ...reply);
  return { answer, reply };
}

async function examineList(
  { findings, cwd }: Examination,
  agent: ExaminedAgent,
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
