/** The steps in the first process, which makes the sessions, is told something in them, and is then killed. */
import type { ContentBlock, SessionEvent } from '../../engine/types.ts';
import type { NewAgentSession } from '../../engine/protocol/agent-protocol.ts';
import { fieldsOf } from '../../engine/objects.ts';
import { buildPreamble } from '../../engine/transcript/preamble.ts';
import { renderTranscript } from '../../engine/transcript/render.ts';
import { count, oneLine } from '../format.ts';
import {
  type Answer,
  endFault,
  describeRefusal,
  instead,
  type Introduction,
  offers,
  readRefusal,
  type RunningAgent,
  unmet,
  wantsAuth,
} from './agent.ts';
import {
  advertises,
  codeword,
  type Examination,
  type Obstacle,
  offersOf,
  PREAMBLES,
  type PreambleWay,
  session,
  type Step,
  take,
} from './examination.ts';
import { breach, fail, type Finding, type Found, pass, skip } from './report.ts';
import { newWord, says } from './word.ts';

const takesResources: Obstacle = ({ facts }) =>
  facts?.embeddedContext === false && 'It does not advertise promptCapabilities.embeddedContext, so a client gives it none.';

export const FIRST_STEPS: readonly Step[] = [
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
];

export async function inFirstProcess(x: Examination, agent: RunningAgent): Promise<void> {
  for (const step of FIRST_STEPS) await take(step, x, agent);
}

export function judgeIntroduction({ facts, claimed, failure, otherVersion, ms }: Introduction): Found {
  // Answering with another version is allowed.
  if (facts === null) return { initialize: otherVersion ? skip(`It ${failure}.`) : breach(`It ${failure}.`, ms) };
  const more = facts.protocolVersion === 2 ? ', where every agent can resume, replay and list' : ` and advertises ${offersOf(facts)}`;
  const detail = `Speaks ACP ${facts.protocolVersion}${more}.`;
  const odd = oddlyAdvertised(facts.capabilities);
  if (odd !== undefined)
    return { initialize: fail(`It advertises ${odd}, which ACP does not have, so a client takes it for none. ${detail}`, ms) };
  if (claimed === facts.protocolVersion) return { initialize: pass(detail, ms) };
  const named = `It answered initialize with protocolVersion ${JSON.stringify(claimed)} and the fields of ACP ${facts.protocolVersion}; a client that goes by the number takes it for another.`;
  return { initialize: fail(`${named} ${detail}`, ms) };
}

/** A capability whose value no client would take for one. */
function oddlyAdvertised({ loadSession, sessionCapabilities }: Readonly<Record<string, unknown>>): string | undefined {
  const { list, resume, close, delete: remove, fork } = fieldsOf(sessionCapabilities);
  const given = Object.entries({ loadSession, list, resume, close, delete: remove, fork });
  const odd = given.find(([, value]) => typeof value === 'string' || typeof value === 'number' || Array.isArray(value));
  return odd && `${odd[0]} as ${oneLine(JSON.stringify(odd[1]), 60)}`;
}

async function makeSession(x: Examination, agent: RunningAgent): Promise<Finding> {
  const answer = await agent.newSession();
  const { sessionId, ms } = answer;
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
  return unmet(answer, `It ${newFault(answer)}.`);
}

export function newFault(answer: Answer<NewAgentSession>): string {
  if (answer.kind !== 'answered') return answer.failure;
  const id = fieldsOf(answer.value.raw)['sessionId'];
  const what = id === undefined ? 'without a sessionId' : 'with a sessionId that is not a string with something in it: ';
  return `answered session/new ${what}${id === undefined ? '' : oneLine(JSON.stringify(id), 60)}`;
}

/** An agent may allow only one session in a process, if it says so with an error. */
function noFurther(answer: Answer<NewAgentSession>): Finding {
  const words = `It made no further session in one process to try it in: it ${newFault(answer)}.`;
  return answer.kind === 'refused' ? skip(words) : breach(words, answer.ms);
}

/** Tells it a codeword and asks for it back. An agent that cannot say it now would prove nothing later. */
async function tellCodeword(x: Pick<Examination, 'told'>, agent: RunningAgent): Promise<Finding> {
  const { sessionId, said } = x.told!;
  const { protocolVersion } = agent.facts;
  const codeword = newWord('heron');
  const telling = `Remember that the codeword is ${codeword}. Answer with OK only, without using any tool.`;
  const { answer, reply, foreign } = await agent.prompt(sessionId, telling, said);
  const { ms } = answer;
  const untried = (why: string): void => {
    x.told = { sessionId, said, codeword: null, untried: why };
  };
  if (answer.kind !== 'answered') {
    untried(`told the codeword, it ${answer.failure}`);
    if (wantsAuth(answer)) return skip('It wants you to sign in before it answers a prompt.');
    const read = readRefusal(answer, 'session/prompt', sessionId);
    if (answer.kind !== 'refused' || read === 'unknown_session' || read === 'unsupported') return breach(`It ${answer.failure}.`, ms);
    return skip(`It could not answer a prompt here, perhaps because it has no model: ${describeRefusal(answer.error)}.`);
  }
  const fault = endFault(answer.value, protocolVersion);
  if (answer.value.kind === 'garbled') {
    untried(`told the codeword, it ${fault}`);
    return breach(`It ${fault}.`, ms);
  }

  const asked = await agent.askFor(sessionId, 'codeword', said);
  if (says(asked.reply, codeword)) x.told = { sessionId, said, codeword, untried: '' };
  else untried(`asked for the codeword before it was killed, ${instead(asked).replace(/\.$/, '')}`);
  const faults = [fault, asked.answer.kind === 'answered' ? endFault(asked.answer.value, protocolVersion) : null];
  const [first] = faults.filter((one) => one !== null);
  if (first !== undefined) return breach(`It ${first}.`, ms);
  if (asked.answer.kind !== 'answered')
    return unmet(asked.answer, `It answered the first prompt of the session. Asked for the codeword in the next, ${instead(asked)}`);
  const detail = `Answered with ${count(reply.length, 'message')} and the stop reason ${oneLine(answer.value.stopReason, 60)}`;
  if (reply.length === 0) return fail(`${detail}, although it was asked for an answer.${foreign}`, ms);
  const forgot = says(asked.reply, codeword) ? '' : ` Asked for the codeword it had just been told, ${instead(asked)}`;
  return pass(`${detail}.${foreign}${forgot}`, ms);
}

/** Makes a second session, which is never prompted. */
async function makeAnother(x: Examination, agent: RunningAgent): Promise<Finding | Found> {
  const answer = await agent.newSession();
  x.neverPrompted = answer.sessionId;
  return answer.sessionId === null ? noFurther(answer) : {};
}

async function lookAtList({ told }: Examination, agent: RunningAgent): Promise<Finding> {
  const { sessionId, said } = told!;
  const began = performance.now();
  const shown = await agent.listed(sessionId);
  const ms = performance.now() - began;
  const asked = 'session/list, asked with the session’s cwd,';
  if (shown === 'present') return pass(`${asked} shows the session.`, ms);
  if (shown === 'unknown') return breach(`It ${offers(agent, 'session/list')}, but ${agent.listFailure}.`, ms);
  if (said.length === 0) return pass('It answers; a session that was never prompted is not shown.', ms);
  return fail(`${asked} does not show the session, so a client cannot tell a lost session from an error.`, ms);
}

export const reached = (way: PreambleWay) => `A record that is given as ${PREAMBLES[way]} reaches its model`;

/** Begins a session with a preamble, as a host does for an agent that has lost its session, and asks for one of the two words in it. */
function givePreamble(way: PreambleWay): Step['run'] {
  return async ({ given }, agent) => {
    const made = await agent.newSession();
    const { sessionId } = made;
    if (sessionId === null) return noFurther(made);
    const firstWord = newWord('curlew');
    const secondWord = newWord('plover');
    const asked = await agent.askFor(sessionId, 'first word', [], await preambleOf(way, firstWord, secondWord));
    if (asked.answer.kind !== 'answered')
      return unmet(
        asked.answer,
        `Whether a record that is given as ${PREAMBLES[way]} reaches its model was not seen: asked for a word in it, ${instead(asked)}`,
      );
    if (!says(asked.reply, firstWord)) {
      const detail = `A record of an earlier conversation, given as ${PREAMBLES[way]}, did not reach its model: asked for a word in it, ${instead(asked)}`;
      return fail(detail, asked.answer.ms);
    }
    given.push({ way, sessionId, secondWord });
    return pass(`${reached(way)}. Where it brings no session back itself, a client gives the record anew each time.`);
  };
}

/** A preamble as a host builds it, of an invented conversation. */
async function preambleOf(mode: PreambleWay, firstWord: string, secondWord: string): Promise<ContentBlock[]> {
  const event = (seq: number, role: 'user' | 'agent', text: string) =>
    ({
      seq,
      turnId: 'earlier',
      at: 0,
      kind: 'update',
      origin: role === 'user' ? 'host' : 'agent',
      payload: { sessionUpdate: `${role}_message_chunk`, content: { type: 'text', text } },
    }) as SessionEvent;
  const told = `Remember that the first word is ${firstWord}. Remember that the second word is ${secondWord}.`;
  return buildPreamble(await renderTranscript([event(2, 'agent', 'OK'), event(1, 'user', told)]), mode);
}
