/** The lives after `kill -9`: whether a session comes back, and how. */
import type { ExaminedAgent } from './agent.ts';
import { CODEWORD_QUESTION, listed, readAs, revived, type Examination, type Patient } from './examination.ts';
import { promptAgent } from './first-life.ts';
import { compare, isConversation, messagesIn } from './messages.ts';
import type { AttemptOutcome, Verification } from '../../engine/types.ts';
import type { UnknownSessionAnswer } from './report.ts';
import { count, quote } from '../format.ts';

/** How coming back by one method went. */
export interface Revival {
  /** As a client reads it; `ok` is an answer with success. */
  readonly outcome: AttemptOutcome;
  /** True when a success turned out to be none: the agent had forgotten what it was told. */
  readonly forgotten: boolean;
  /** What a client finds when it checks a replay. */
  readonly verification: Verification | null;
}

const refused = (outcome: UnknownSessionAnswer): Revival => ({
  outcome: outcome === 'success' ? 'ok' : outcome,
  forgotten: false,
  verification: null,
});
const CRASHED: Revival = { outcome: 'crash', forgotten: false, verification: null };

const at = (sessionId: string, cwd: string) => ({ sessionId, cwd, mcpServers: [] });

export async function killAndResume(examination: Examination, patient: Patient): Promise<Revival | null> {
  const { findings, cwd } = examination;
  const { sessionId, facts } = patient;
  if (!facts.canResume) {
    findings.skip('kill-and-resume', 'It does not advertise session/resume.');
    findings.skip('resume-silent', 'It does not advertise session/resume.');
    return null;
  }
  if (sessionId === null) return null;
  let revival = CRASHED;
  await revived(examination, ['kill-and-resume'], async (agent) => {
    const answer = await agent.ask('session/resume', at(sessionId, cwd));
    if (answer.kind !== 'answered') {
      const { outcome, evidence } = await readAs(agent, answer, { method: 'session/resume', sessionId, cwd, canList: facts.canList });
      revival = refused(outcome);
      if (needsPrompt(outcome, patient)) findings.skip('kill-and-resume', NEEDS_PROMPT);
      else findings.fail('kill-and-resume', afterKill(outcome, evidence), answer.ms, { breaksProtocol: outcome === 'unsupported' });
      return;
    }
    await agent.quiet();
    const replayed = agent.updates.filter(isConversation).length;
    if (replayed > 0)
      findings.fail(
        'resume-silent',
        `It sent ${count(replayed, 'update')} of the conversation on session/resume, which must not replay; a client would store or show them twice.`,
        0,
        { breaksProtocol: true },
      );
    else if (patient.said.length === 0) findings.skip('resume-silent', 'The session holds no messages that could be replayed.');
    else findings.pass('resume-silent', 'session/resume replayed nothing.');
    const forgotten = !(await remembers(agent, patient, sessionId, examination, 'kill-and-resume', answer.ms));
    revival = { outcome: 'ok', forgotten, verification: 'unverified' };
  });
  return revival;
}

export async function killAndLoad(examination: Examination, patient: Patient): Promise<Revival | null> {
  const { findings, cwd } = examination;
  const { sessionId, facts } = patient;
  if (!facts.canLoad) {
    for (const id of ['kill-and-load', 'replay-complete', 'replay-before-response'] as const)
      findings.skip(id, 'It does not advertise session/load.');
    return null;
  }
  if (sessionId === null) return null;
  let revival = CRASHED;
  await revived(examination, ['kill-and-load'], async (agent) => {
    const answer = await agent.ask('session/load', at(sessionId, cwd));
    if (answer.kind !== 'answered') {
      const { outcome, evidence } = await readAs(agent, answer, { method: 'session/load', sessionId, cwd, canList: facts.canList });
      revival = refused(outcome);
      if (needsPrompt(outcome, patient)) findings.skip('kill-and-load', NEEDS_PROMPT);
      else findings.fail('kill-and-load', afterKill(outcome, evidence), answer.ms, { breaksProtocol: outcome === 'unsupported' });
      return;
    }
    await agent.quiet();
    const verification = examineReplay(examination, patient, agent, answer.updates);
    const forgotten = !(await remembers(agent, patient, sessionId, examination, 'kill-and-load', answer.ms));
    revival = { outcome: 'ok', forgotten, verification };
  });
  return revival;
}

/** Holds the replay against what was said, as a client does. */
function examineReplay({ findings }: Examination, patient: Patient, agent: ExaminedAgent, before: number): Verification {
  if (patient.said.length === 0) {
    const why = 'The session holds no messages that could be replayed.';
    findings.skip('replay-complete', why);
    findings.skip('replay-before-response', why);
    return 'replay-empty';
  }
  const { expected, matched, missing, outOfOrder, extra } = compare(patient.said, messagesIn(agent.updates));
  const more = extra > 0 ? ` ${count(extra, 'further message')} came too (repeats, or what it added).` : '';
  if (missing === null) findings.pass('replay-complete', `All ${count(expected, 'message')} came, in order.${more}`);
  else {
    const what = outOfOrder ? 'out of its order came' : 'missing was';
    findings.fail(
      'replay-complete',
      `${matched} of ${count(expected, 'message')} came in order; ${what} the ${missing.role}’s ${quote(missing.text)}.${more}`,
      0,
      { breaksProtocol: true },
    );
  }
  const late = agent.updates.slice(before).filter(isConversation).length;
  const all = agent.updates.filter(isConversation).length;
  if (all === 0) findings.skip('replay-before-response', 'Nothing was replayed.');
  else if (late > 0)
    findings.fail(
      'replay-before-response',
      `${late} of ${count(all, 'update')} came after the response, so a client may take them for new.`,
      0,
      { breaksProtocol: true },
    );
  else findings.pass('replay-before-response', `All ${count(all, 'update')} came before the response.`);
  if (matched === expected) return 'replay-matched';
  return matched > 0 ? 'replay-partial' : all === 0 ? 'replay-empty' : 'replay-mismatch';
}

/** Asks for the codeword, where the agent could say it before it was killed. True unless it has forgotten. */
async function remembers(
  agent: ExaminedAgent,
  patient: Patient,
  sessionId: string,
  { findings, cwd }: Examination,
  id: 'kill-and-resume' | 'kill-and-load',
  ms: number,
): Promise<boolean> {
  const { codeword, facts } = patient;
  const method = id === 'kill-and-resume' ? 'session/resume' : 'session/load';
  if (codeword === null) {
    const shown = facts.canList ? await listed(agent, sessionId, cwd) : 'unknown';
    const list =
      shown === 'present'
        ? 'and its list shows the session'
        : shown === 'absent'
          ? 'but its list does not show the session'
          : 'and it has no list to check that with';
    const why = patient.prompts ? 'it could not say the codeword back even before it was killed' : 'no prompt was sent';
    const detail = `After kill -9 it answered ${method} with success, ${list}. Whether it remembers was not tried: ${why}.`;
    if (shown === 'absent' && patient.said.length > 0) {
      findings.fail(id, detail, ms);
      return false;
    }
    findings.pass(id, detail, ms);
    return true;
  }
  const { reply, answer } = await promptAgent(agent, sessionId, CODEWORD_QUESTION, patient.said);
  if (reply.some(({ text }) => text.includes(codeword))) {
    findings.pass(id, `After kill -9 it came back with ${method} and remembered what it had been told.`, ms);
    return true;
  }
  const instead =
    answer.kind === 'answered' ? `it said ${quote(reply.map(({ text }) => text).join(' '))}` : 'it did not answer the next prompt';
  findings.fail(
    id,
    `After kill -9 it answered ${method} with success and had forgotten everything: asked for the codeword, ${instead}.`,
    ms,
    { breaksProtocol: true },
  );
  return false;
}

const NEEDS_PROMPT =
  'It forgets a session that was never prompted, and none was prompted here; whether it brings others back needs a prompt.';

/** An agent may keep only sessions that were prompted; without a prompt its forgetting says nothing. */
const needsPrompt = (outcome: UnknownSessionAnswer, patient: Patient): boolean =>
  outcome === 'unknown_session' && patient.said.length === 0;

const afterKill = (outcome: UnknownSessionAnswer, evidence: string): string =>
  `After kill -9 it did not bring the session back: a client reads ${outcome} (${evidence}).`;
