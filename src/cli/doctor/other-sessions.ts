/** Steps about other sessions: unknown ones, one that was never prompted, one that is closed, and the ids of all of them. */
import { count, quote } from '../format.ts';
import { describeRefusal, offers, type RunningAgent } from './agent.ts';
import { newFault } from './first-process.ts';
import type { Examination, Step } from './examination.ts';
import { breach, fail, type Finding, type How, pass, skip } from './report.ts';

export function askForUnknown(how: How): Step['run'] {
  return async (x, agent) => {
    const { answer, outcome, evidence } = await agent.resumeOrLoad(how, unknownIdLike(x.told?.sessionId ?? null));
    x.unknownSession[how] = outcome;
    const { ms } = answer;
    const error = answer.kind === 'refused' ? answer.error : null;
    const said = error ? `It said: ${describeRefusal(error)}.` : '';
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
        // What follows the colon only repeats the error.
        const rule = evidence.split(':')[0];
        return pass(`A client can tell: ${error && describeRefusal(error)} reads as unknown session (${rule}).${specification}`, ms);
      }
      default:
        return fail(`A client reads ${outcome}, so it must stop instead of going on with a transcript (${evidence}). ${said}`, ms);
    }
  };
}

export async function compareIds({ made }: Examination): Promise<Finding> {
  const alike = made.find((id, index) => made.indexOf(id) !== index);
  if (alike !== undefined) {
    const times = made.filter((id) => id === alike).length;
    return breach(
      `It gave ${count(times, 'session')} the same id (${quote(alike)}). A client cannot tell them apart: what comes back for the one is the other, and its conversation is lost or goes to another user.`,
    );
  }
  return made.length === 1 ? skip('It made no second session.') : pass(`Each of ${count(made.length, 'session')} has an id of its own.`);
}

export async function askForNeverPrompted({ neverPrompted }: Examination, agent: RunningAgent): Promise<Finding> {
  const how = agent.facts.canResume ? 'resume' : 'load';
  const { answer, outcome, evidence } = await agent.resumeOrLoad(how, neverPrompted!);
  const { ms } = answer;
  if (outcome === 'success') return pass(`A session that was never prompted comes back with session/${how}.`, ms);
  if (outcome === 'unknown_session')
    return pass(`It forgets a session that was never prompted and says so (${evidence}); nothing is lost by that.`, ms);
  return fail(`It does not bring a session back that was never prompted, and a client reads ${outcome} (${evidence}).`, ms);
}

export async function closeOne(_: Examination, agent: RunningAgent): Promise<Finding> {
  const made = await agent.newSession();
  const { sessionId, ms } = made;
  if (sessionId === null) return fail(`It made no further session to close: it ${newFault(made)}.`, ms);
  const answer = await agent.ask((protocol, patience) => protocol.closeSession(sessionId, patience));
  if (answer.kind === 'answered') return pass('It answers session/close with success.', answer.ms);
  return breach(`It ${offers(agent, 'session/close')}, but ${answer.failure}.`, answer.ms);
}

/**
 * An id like the agent's own, with the same prefix, length and kinds of characters, so that an agent which checks the form of ids accepts it. A
 * short id is made longer, because an agent that counts its sessions may well have any small number.
 */
export function unknownIdLike(sample: string | null, random: () => number = Math.random): string {
  const pick = (from: string): string => from[Math.floor(random() * from.length)] ?? '';
  if (sample === null || /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(sample))
    return 'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx'.replace(/x/g, () => pick('0123456789abcdef'));
  // Such as `ses_` or `thread-`; not part of the number.
  const prefix = /^[A-Za-z]+[_:-]/.exec(sample)?.[0] ?? '';
  const kinds = ['0123456789', 'abcdef', 'ghijklmnopqrstuvwxyz', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
  const like = (text: string): string => text.replace(/[0-9A-Za-z]/g, (char) => pick(kinds.find((kind) => kind.includes(char)) ?? char));
  const own = sample.slice(prefix.length);
  const number = like(own) + like('0'.repeat(Math.max(0, UNIQUE_CHARS - own.length)));
  return prefix + number === sample ? `${sample}0` : prefix + number;
}

/** A random id of this length is not one of the agent's by chance. */
const UNIQUE_CHARS = 10;
