/** What the agent says to a session id it never had, to a session that was never prompted, and to a close. */
import { fieldsOf } from '../../engine/protocol/updates.ts';
import { NO_SESSION, type UnknownSessionAnswer } from './report.ts';
import { errorWords, failureWords, sessionIdOf, supports, takeUp, withAgentAgain } from './running-agent.ts';
import type { AgentUnderTest, Examination, NativeMethod } from './running-agent.ts';

/** Asks for a session that never was. Null when the method is not advertised. */
export async function checkUnknownSession(
  examination: Examination,
  { facts, sessionId: known }: AgentUnderTest,
  method: NativeMethod,
): Promise<UnknownSessionAnswer | null> {
  const { findings } = examination;
  const id = method === 'session/load' ? 'unknown-session-load' : 'unknown-session-resume';
  if (!supports(facts, method)) {
    findings.skip(id, `It does not advertise ${method}.`);
    return null;
  }
  let read: UnknownSessionAnswer | null = null;
  await withAgentAgain(examination, id, async (agent) => {
    const { answer, outcome, evidence } = await takeUp(agent, method, unknownIdLike(known), examination, facts);
    read = outcome;
    const fail = (detail: string, breaksProtocol = true) => findings.fail(id, detail, answer.ms, { breaksProtocol });
    if (answer.kind === 'answered')
      return fail('It claims success for a session it never had: a user would go on talking to an agent that forgot, without knowing.');
    if (answer.kind !== 'refused') return fail(`For a session it never had, it ${failureWords(method, answer)}.`);
    const words = errorWords(answer.error);
    switch (outcome) {
      case 'unknown_session': {
        const specification = answer.error.code === -32002 ? '' : ' The specification asks for −32002 with data.sessionId.';
        // The name of the rule; the rest of the evidence repeats the error.
        const rule = evidence.split(':')[0];
        return findings.pass(id, `A client can tell: ${words} reads as unknown session (${rule}).${specification}`, answer.ms);
      }
      case 'auth_required':
        return findings.skip(id, `It wants you to sign in first. It said: ${words}.`);
      case 'unsupported':
        return fail(`It advertises ${method}, but does not have it (${evidence}). It said: ${words}.`);
      default:
        return fail(
          `A client reads ${outcome}, so it must stop instead of going on with a transcript (${evidence}). It said: ${words}.`,
          false,
        );
    }
  });
  return read;
}

/** Comes back to a session that was created and never prompted. */
export async function checkNeverPrompted(examination: Examination, { facts, sessionId, neverPromptedId }: AgentUnderTest): Promise<void> {
  const { findings } = examination;
  const method = (['session/resume', 'session/load'] as const).find((each) => supports(facts, each));
  if (method === undefined) return findings.skip('never-prompted', 'It advertises neither session/resume nor session/load.');
  if (neverPromptedId === null)
    return findings.skip('never-prompted', sessionId === null ? NO_SESSION : 'It made no second session in one process.');
  await withAgentAgain(examination, 'never-prompted', async (agent) => {
    const { answer, outcome, evidence } = await takeUp(agent, method, neverPromptedId, examination, facts);
    if (outcome === 'success') findings.pass('never-prompted', `A session that was never prompted comes back with ${method}.`, answer.ms);
    else if (outcome === 'unknown_session') {
      const detail = `It forgets a session that was never prompted and says so (${evidence}); nothing is lost by that.`;
      findings.pass('never-prompted', detail, answer.ms);
    } else {
      const detail = `It does not bring a session back that was never prompted, and a client reads ${outcome} (${evidence}).`;
      findings.fail('never-prompted', detail, answer.ms);
    }
  });
}

/** Closes a session, where the agent says it can. */
export async function checkClose(examination: Examination, { facts, sessionId }: AgentUnderTest): Promise<void> {
  const { findings, cwd } = examination;
  const capability = fieldsOf(facts.capabilities['sessionCapabilities'])['close'];
  if (capability === undefined || capability === null || capability === false)
    return findings.skip('close', 'It does not advertise session/close.');
  if (sessionId === null) return findings.skip('close', NO_SESSION);
  await withAgentAgain(examination, 'close', async (agent) => {
    const made = await agent.ask('session/new', { cwd, mcpServers: [] });
    const another = made.kind === 'answered' ? sessionIdOf(made.result) : null;
    if (another === null) return findings.fail('close', 'It could not make another session to close.', made.ms);
    const answer = await agent.ask('session/close', { sessionId: another });
    if (answer.kind === 'answered') return findings.pass('close', 'session/close ends a session.', answer.ms);
    const detail = `It advertises session/close, but ${failureWords('session/close', answer)}.`;
    findings.fail('close', detail, answer.ms, { breaksProtocol: true });
  });
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
