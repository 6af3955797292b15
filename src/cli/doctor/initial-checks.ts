/** The initial checks: what works before anything goes wrong, and what is left behind to come back to. */
import type { AgentFacts } from '../../engine/protocol/agent-protocol.ts';
import { readInitialize } from '../../engine/protocol/v1.ts';
import { fieldsOf, stringOf } from '../../engine/protocol/updates.ts';
import { count, oneLine } from '../format.ts';
import type { Message } from './messages.ts';
import { askCodeword, errorWords, failureWords, listed, promptAgent, sessionIdOf, wantsAuth, withAgent } from './running-agent.ts';
import type { AgentUnderTest, Answer, Examination, RunningAgent } from './running-agent.ts';

/** Creates sessions, prompts one, and ends by `kill -9`. Null when nothing more can be examined. */
export function initialChecks(examination: Examination, prompting: boolean): Promise<AgentUnderTest | null> {
  const { findings, cwd } = examination;
  return withAgent(examination, async (agent, initialized) => {
    const facts = checkInitialize(examination, initialized);
    if (facts === null) return null;
    const said: Message[] = [];
    const sessionId = await checkNew(examination, agent, facts);
    if (sessionId === null) return { facts, sessionId, neverPromptedId: null, said, prompts: 'none', codeword: null };
    // A greeting that comes with a new session is not part of the first reply.
    await agent.quiet();
    let prompted: Prompted = { prompts: 'none', codeword: null };
    if (prompting) prompted = await checkPrompt(examination, agent, sessionId, said);
    else findings.skip('prompt', 'Not asked to prompt a model (--no-prompt).');
    // After the first session was prompted, and never prompted itself.
    const second = await agent.ask('session/new', { cwd, mcpServers: [] });
    if (second.kind === 'ended') findings.skip('list', 'It died before its list could be asked for.');
    else await checkList(examination, agent, facts, sessionId, said.length > 0);
    return { facts, sessionId, neverPromptedId: second.kind === 'answered' ? sessionIdOf(second.result) : null, said, ...prompted };
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

/** Tells it a word and asks for it back while it is alive: an agent that cannot say it now is no witness later. */
async function checkPrompt({ findings }: Examination, agent: RunningAgent, sessionId: string, said: Message[]): Promise<Prompted> {
  const codeword = `heron-${1000 + Math.floor(Math.random() * 9000)}`;
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
  const asked = await askCodeword(agent, sessionId, said);
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
