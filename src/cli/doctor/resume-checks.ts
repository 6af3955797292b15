/** The checks after `kill -9`: whether a session comes back, and how. */
import { isConversation } from '../../engine/protocol/updates.ts';
import type { AttemptOutcome, Verification } from '../../engine/types.ts';
import { count, quote } from '../format.ts';
import { compare, messagesIn } from './messages.ts';
import { NO_SESSION, type UnknownSessionAnswer } from './report.ts';
import { askCodeword, listed, supports, takeUp, withAgentAgain } from './running-agent.ts';
import type { AgentUnderTest, Examination, NativeMethod, RunningAgent } from './running-agent.ts';

/** How coming back by one method went. */
export interface ResumeOutcome {
  /** As a client reads it; `ok` is an answer with success. */
  readonly outcome: AttemptOutcome;
  /** True when a success turned out to be none: the agent had forgotten what it was told. */
  readonly forgotten: boolean;
  /** What a client finds when it checks a replay. */
  readonly verification: Verification | null;
}

const CHECKS = {
  'session/resume': ['kill-and-resume', 'resume-silent'],
  'session/load': ['kill-and-load', 'replay-complete', 'replay-before-response'],
} as const;

/** Takes the session up by one method; null where that cannot be tried. */
export async function resumeChecks(examination: Examination, tested: AgentUnderTest, method: NativeMethod): Promise<ResumeOutcome | null> {
  const { findings } = examination;
  const { sessionId, facts } = tested;
  const [check, ...more] = CHECKS[method];
  if (!supports(facts, method) || sessionId === null) {
    const why = supports(facts, method) ? NO_SESSION : `It does not advertise ${method}.`;
    for (const id of [check, ...more]) findings.skip(id, why);
    return null;
  }
  let result: ResumeOutcome = { outcome: 'crash', forgotten: false, verification: null };
  await withAgentAgain(examination, check, async (agent) => {
    const { answer, outcome, evidence } = await takeUp(agent, method, sessionId, examination, facts);
    if (answer.kind !== 'answered') {
      result = { ...result, outcome: outcome as Exclude<UnknownSessionAnswer, 'success'> };
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
      return;
    }
    await agent.quiet();
    const verification =
      method === 'session/load' ? checkReplay(examination, tested, agent, answer.updates) : checkSilence(examination, tested, agent);
    result = { outcome: 'ok', forgotten: !(await remembers(agent, tested, sessionId, examination, method, answer.ms)), verification };
  });
  return result;
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
    findings.fail(
      'replay-complete',
      `${matched} of ${count(expected, 'message')} came in order; ${what} the ${missing.role}’s ${quote(missing.text)}.${more}`,
      0,
      { breaksProtocol: true },
    );
  }
  const late = agent.updates.slice(before).filter((update) => isConversation(update)).length;
  const all = agent.updates.filter((update) => isConversation(update)).length;
  if (all === 0) findings.skip('replay-before-response', 'Nothing was replayed.');
  else if (late > 0)
    findings.fail(
      'replay-before-response',
      `${late} of ${count(all, 'update')} came after the response, so a client may take them for new.`,
      0,
      { breaksProtocol: true },
    );
  else findings.pass('replay-before-response', `All ${count(all, 'update')} came before the response.`);
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
  { codeword, facts, prompts, said }: AgentUnderTest,
  sessionId: string,
  { findings, cwd }: Examination,
  method: NativeMethod,
  ms: number,
): Promise<boolean> {
  const [check] = CHECKS[method];
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
  const { reply, answer } = await askCodeword(agent, sessionId, said);
  if (reply.includes(codeword)) {
    findings.pass(check, `After kill -9 it came back with ${method} and remembered what it had been told.`, ms);
    return true;
  }
  const instead = answer.kind === 'answered' ? `it said ${quote(reply)}` : 'it did not answer the next prompt';
  findings.fail(
    check,
    `After kill -9 it answered ${method} with success and had forgotten everything: asked for the codeword, ${instead}.`,
    ms,
    {
      breaksProtocol: true,
    },
  );
  return false;
}
