/** What the agent says to session ids it never had, to a session that was never prompted, and to a close. */
import type { ExaminedAgent } from './agent.ts';
import { readAs, revived, type Examination, type Patient } from './examination.ts';
import { sessionIdOf } from './first-life.ts';
import type { UnknownSessionAnswer } from './report.ts';
import { unknownIdLike } from './unknown-id.ts';
import { errorWords, failureWords } from './agent.ts';

const at = (sessionId: string, cwd: string) => ({ sessionId, cwd, mcpServers: [] });

type Native = 'session/load' | 'session/resume';

/** Asks for a session that never was. Null when the method is not advertised. */
export async function unknownSession(examination: Examination, patient: Patient, method: Native): Promise<UnknownSessionAnswer | null> {
  const { findings, cwd } = examination;
  const id = method === 'session/load' ? 'unknown-session-load' : 'unknown-session-resume';
  if (method === 'session/load' ? !patient.facts.canLoad : !patient.facts.canResume) {
    findings.skip(id, `It does not advertise ${method}.`);
    return null;
  }
  let read: UnknownSessionAnswer | null = null;
  await revived(examination, [id], async (agent) => {
    const sessionId = unknownIdLike(patient.sessionId);
    const answer = await agent.ask(method, at(sessionId, cwd));
    const { outcome, evidence } = await readAs(agent, answer, { method, sessionId, cwd, canList: patient.facts.canList });
    read = outcome;
    const raw = answer.kind === 'refused' ? ` It said: ${errorWords(answer.error)}.` : '';
    if (outcome === 'unknown_session' && answer.kind === 'refused') {
      const spec = answer.error.code === -32002 ? '' : ' The specification asks for −32002 with data.sessionId.';
      findings.pass(id, `A client can tell: ${errorWords(answer.error)} reads as unknown session (${ruleOf(evidence)}).${spec}`, answer.ms);
    } else if (outcome === 'success') {
      findings.fail(
        id,
        'It claims success for a session it never had: a user would go on talking to an agent that forgot, without knowing.',
        answer.ms,
        { breaksProtocol: true },
      );
    } else if (outcome === 'auth_required') {
      findings.skip(id, `It wants you to sign in first.${raw}`);
    } else if (outcome === 'unsupported') {
      findings.fail(id, `It advertises ${method}, but does not have it (${evidence}).${raw}`, answer.ms, { breaksProtocol: true });
    } else if (answer.kind === 'refused') {
      findings.fail(id, `A client reads ${outcome}, so it must stop instead of going on with a transcript (${evidence}).${raw}`, answer.ms);
    } else {
      findings.fail(
        id,
        `For a session it never had, it ${failureWords(method, answer as Exclude<typeof answer, { kind: 'answered' }>)}.`,
        answer.ms,
        { breaksProtocol: true },
      );
    }
  });
  return read;
}

/** Comes back to a session that was created and never prompted. */
export async function neverPrompted(examination: Examination, patient: Patient): Promise<void> {
  const { findings, cwd } = examination;
  const { facts, neverPromptedId } = patient;
  const method: Native | null = facts.canResume ? 'session/resume' : facts.canLoad ? 'session/load' : null;
  if (method === null) return findings.skip('never-prompted', 'It advertises neither session/resume nor session/load.');
  if (neverPromptedId === null)
    return findings.skip('never-prompted', patient.withoutSession || 'It made no second session in one process.');
  await revived(examination, ['never-prompted'], async (agent) => {
    const answer = await agent.ask(method, at(neverPromptedId, cwd));
    if (answer.kind === 'answered')
      return findings.pass('never-prompted', `A session that was never prompted comes back with ${method}.`, answer.ms);
    const { outcome, evidence } = await readAs(agent, answer, { method, sessionId: neverPromptedId, cwd, canList: facts.canList });
    if (outcome === 'unknown_session')
      findings.pass(
        'never-prompted',
        `It forgets a session that was never prompted and says so (${evidence}); nothing is lost by that.`,
        answer.ms,
      );
    else
      findings.fail(
        'never-prompted',
        `It does not bring a session back that was never prompted, and a client reads ${outcome} (${evidence}).`,
        answer.ms,
      );
  });
}

/** Closes a session, where the agent says it can. */
export async function close(examination: Examination, patient: Patient): Promise<void> {
  const { findings, cwd } = examination;
  const capability = (patient.facts.capabilities['sessionCapabilities'] as Readonly<Record<string, unknown>> | undefined)?.['close'];
  if (capability === undefined || capability === null || capability === false)
    return findings.skip('close', 'It does not advertise session/close.');
  if (patient.sessionId === null) return findings.skip('close', patient.withoutSession);
  await revived(examination, ['close'], async (agent: ExaminedAgent) => {
    const made = await agent.ask('session/new', { cwd, mcpServers: [] });
    const sessionId = made.kind === 'answered' ? sessionIdOf(made.result) : null;
    if (sessionId === null) return findings.fail('close', 'It could not make another session to close.', made.ms);
    const answer = await agent.ask('session/close', { sessionId });
    if (answer.kind === 'answered') findings.pass('close', 'session/close ends a session.', answer.ms);
    else
      findings.fail('close', `It advertises session/close, but ${failureWords('session/close', answer)}.`, answer.ms, {
        breaksProtocol: true,
      });
  });
}

/** The name of the rule an outcome was concluded by; the rest of the evidence repeats the error. */
const ruleOf = (evidence: string): string => evidence.split(':')[0] ?? evidence;
