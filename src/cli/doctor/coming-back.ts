/** The steps in later processes, which resume or load the first one's sessions and are asked what was said in them. */
import { delay } from '../../engine/waiting.ts';
import { isConversation } from '../../engine/protocol/updates.ts';
import { SILENCES_AT_FIRST } from '../../engine/sessions/replay.ts';
import { count, quote } from '../format.ts';
import { describeForeign, instead, readRefusal, type RunningAgent, unmet, withAgent } from './agent.ts';
import { can, type Examination, judgeOffers, type Step, type Told } from './examination.ts';
import { inFirstProcess, reached } from './first-process.ts';
import { compare, type Message, messagesIn } from './messages.ts';
import { breach, type ComingBack, fail, type Finding, type Found, type How, lost, methodOf, pass, record, skip } from './report.ts';
import { says } from './word.ts';

const checkOf = (how: How) => `kill-and-${how}` as const;

export const native = ({ came, facts }: Pick<Examination, 'came' | 'facts'>): How | undefined =>
  (['resume', 'load'] as const).find((how) => can(facts, how) && cameBack(came[how]));

const cameBack = (came: ComingBack | null | undefined): boolean => came?.outcome === 'ok' && !came.forgotten;

/**
 * Has the session resumed or loaded. When it is lost, new sessions are tried that differ in one thing, to find out why: one is asked for in a
 * later clock minute (some stores go by the minute, so chance would decide), another is loaded without having been resumed before.
 */
export function comeBack(how: How): Step['run'] {
  return async (x) => {
    const check = checkOf(how);
    // Stands if no process can be started.
    x.came[how] = notStarted('it could not be started again');
    const first = await hear(x, how, x.told!);
    x.came[how] = first.came;
    if (x.told!.codeword === null || first.came === null || !lost(first.came)) return first.found;
    const method = methodOf(how, x.facts?.protocolVersion);
    const explained = ({ found }: Hearing, words: string): Found => ({
      ...found,
      [check]: fail(`It loses a session that ${words} (${first.found[check]?.detail})`),
    });
    // How the session was resumed before it was loaded.
    const resumed = how === 'load' && x.came.resume?.notStarted === undefined ? x.came.resume : null;
    if (!resumed?.forgotten) {
      const words = `It did not bring a session back with ${method}. doctor tries once more, with a few more prompts, when the clock minute is over.`;
      x.options.onNotice?.(words);
      const told = await inFirstProcessAgain(x);
      await nextMinute(x);
      const again = told && resumed && (await hear(x, 'resume', told)).came;
      const same = told && again?.outcome === resumed?.outcome && !again?.forgotten;
      if (same && cameBack(resumed)) await nextMinute(x);
      const second = same ? await hear(x, how, told) : null;
      if (second && cameBack(second.came)) {
        Object.assign(x, { told });
        x.came[how] = second.came;
        const when = `is taken up with ${method} in the clock minute in which it was made or last used; a minute later another one came back.`;
        return explained(second, when);
      }
    }
    // Only a resume that succeeded can have changed the session.
    if (resumed?.outcome === 'ok' || resumed?.unlisted) {
      const told = await inFirstProcessAgain(x);
      const third = told && (await hear(x, how, told));
      if (third && cameBack(third.came)) {
        const { protocolVersion } = x.facts!;
        const before = `was taken up with ${methodOf('resume', protocolVersion)} before; another one, which was not, came back with ${method}.`;
        return explained(third, before);
      }
    }
    return first.found;
  };
}

const notStarted = (failure: string): ComingBack => ({ outcome: 'crash', forgotten: false, notStarted: failure });

async function nextMinute({ signal, options: { clockMs = 60_000 } }: Examination): Promise<void> {
  const ms = clockMs === 0 ? 0 : clockMs - (Date.now() % clockMs) + 50;
  await delay(ms, signal);
}

/** Makes another session like the first, by a process that is told a codeword and then killed; null if that fails. */
async function inFirstProcessAgain(x: Examination): Promise<Told | null> {
  const other: Examination = { ...x, found: {}, told: null, neverPrompted: null, given: [] };
  await withAgent(other, async (agent, { facts }) => facts && inFirstProcess(other, agent));
  return other.told !== null && other.told.codeword !== null ? other.told : null;
}

interface Hearing {
  readonly found: Found;
  /** Null if the agent was not asked. */
  readonly came: ComingBack | null;
}

/** Asks a new process for the session, if that process advertises the method, as a client does. */
function hear(x: Examination, how: How, told: Told): Promise<Hearing> {
  const check = checkOf(how);
  return withAgent(x, async (agent, { facts, failure, ms }) => {
    if (!facts) return { found: { [check]: fail(`Started again, it ${failure}.`, ms) }, came: notStarted(`started again, it ${failure}`) };
    record(x.found, judgeOffers(x, facts));
    x.restarts.push(facts);
    if (can(facts, how)) return resumeOrLoad(agent, how, told);
    const missing = can(x.facts, how)
      ? fail(
          `Started again after kill -9, it did not advertise session/${how}, which it had advertised before, so a client does not ask for it.`,
        )
      : skip(`It does not advertise session/${how}.`);
    return { found: { [check]: missing }, came: null };
  });
}

async function resumeOrLoad(agent: RunningAgent, how: How, told: Told): Promise<Hearing> {
  const check = checkOf(how);
  const { answer, outcome, evidence } = await agent.resumeOrLoad(how, told.sessionId);
  if (outcome === 'success') {
    // Waits for a late replay as long as a host does.
    const isAwaited = how === 'load' && conversation(agent.heard(told.sessionId).updates) === 0;
    await agent.quiet(isAwaited ? SILENCES_AT_FIRST : 1);
    const [found, proven] = how === 'load' ? judgeReplay(told, agent, answer.updates) : [judgeSilence(told, agent), true];
    // Without a replay to compare, a client checks the list.
    const unlisted = how === 'resume' && told.said.length > 0 && agent.facts.canList && (await agent.listed(told.sessionId)) === 'absent';
    const { memory, outcome, forgotten, untried } = await judgeMemory(agent, told, how, answer.ms);
    const read = unlisted ? 'unknown_session' : proven ? outcome : 'unproven';
    const why = unlisted ? 'its own list does not show the session' : 'it replayed nothing of what was said';
    const disbelieved = fail(`${memory.detail} But ${why}, so a client does not believe it.`, memory.ms);
    return {
      found: { ...found, [check]: read === 'ok' || memory.outcome === 'fail' ? memory : disbelieved },
      came: { outcome: read, forgotten: read === 'ok' && forgotten, unlisted, ...(untried !== undefined && { untried }) },
    };
  }
  const came = { outcome, forgotten: false, unlisted: false };
  const detail = `After kill -9 it did not bring the session back: a client reads ${outcome} (${evidence}).`;
  // An agent may keep only sessions that were prompted, so to have forgotten this one says nothing.
  if (outcome === 'unknown_session' && told.said.length === 0) {
    const why = `It forgets a session that was never prompted; whether it brings others back needs a prompt: ${told.untried}.`;
    return { found: { [check]: skip(why) }, came };
  }
  return { found: { [check]: outcome === 'unsupported' ? breach(detail, answer.ms) : fail(detail, answer.ms) }, came };
}

const NO_MESSAGES = 'The session holds no messages that could be replayed.';
const conversation = (updates: readonly unknown[]): number => updates.filter((update) => isConversation(update)).length;

function judgeSilence({ sessionId, said }: Told, agent: RunningAgent): Found {
  const replayed = conversation(agent.heard(sessionId).updates);
  if (replayed > 0) {
    const detail = `It sent ${count(replayed, 'update')} of the conversation on session/resume, which must not replay; a client would store or show them twice.`;
    return { 'resume-silent': breach(detail) };
  }
  return { 'resume-silent': said.length === 0 ? skip(NO_MESSAGES) : pass('session/resume replayed nothing.') };
}

function judgeReplay({ sessionId, said }: Told, agent: RunningAgent, before: number): readonly [Found, proven: boolean] {
  const heard = agent.heard(sessionId);
  if (said.length === 0) return [{ 'replay-complete': skip(NO_MESSAGES), 'replay-before-response': skip(NO_MESSAGES) }, true];
  const { expected, matched, missing, outOfOrder, beside, longer, extra } = compare(said, messagesIn(heard.updates));
  const more = [
    ...(beside.length > 0 ? [` ${count(beside.length, 'message')} beside a reply did not come (${quote(beside[0]?.text ?? '')}).`] : []),
    ...(longer[0] ? [` ${count(longer.length, 'message')} came with more than was said (${quote(longer[0])}).`] : []),
    ...(extra > 0 ? [` ${count(extra, 'further message')} came too (repeats, or what it added).`] : []),
    describeForeign(heard),
  ].join('');
  const what = outOfOrder ? 'came out of order' : 'is missing';
  const complete =
    missing === null
      ? pass(`All ${count(expected, 'message')} came, in order.${more}`)
      : breach(`${matched} of ${count(expected, 'message')} came in order; the ${missing.role}’s ${quote(missing.text)} ${what}.${more}`);
  const all = conversation(heard.updates);
  const late = conversation(agent.heard(sessionId, before).updates);
  const inTime =
    all === 0
      ? skip('Nothing was replayed.')
      : late === 0
        ? pass(`All ${count(all, 'update')} came before the response.`)
        : breach(`${late} of ${count(all, 'update')} came after the response, so a client may take them for new.`);
  return [{ 'replay-complete': complete, 'replay-before-response': inTime }, missing === null || matched > 0];
}

type Remembered = Pick<ComingBack, 'outcome' | 'forgotten' | 'untried'> & { readonly memory: Finding };

/** Asks for the codeword, if the agent could say it before it was killed. */
async function judgeMemory(agent: RunningAgent, told: Told, how: How, ms: number): Promise<Remembered> {
  const { sessionId, said, codeword, untried } = told;
  const { protocolVersion, canList } = agent.facts;
  const method = methodOf(how, protocolVersion);
  if (codeword === null) {
    const shown = canList ? await agent.listed(sessionId) : 'unknown';
    const list = {
      present: 'and its list shows the session',
      absent: 'but its list does not show the session',
      unknown: 'and it has no list to check that with',
    }[shown];
    const detail = `After kill -9 it answered ${method} with success, ${list}. Whether it remembers was not tried: ${untried}.`;
    const memory = shown === 'absent' && said.length > 0 ? fail(detail, ms) : pass(detail, ms);
    return { memory, outcome: 'ok', forgotten: false, untried };
  }
  // What is said to an agent that has forgotten is not added to `said`: its other method may bring the session back as it was.
  const since: Message[] = [];
  const asked = await agent.askFor(sessionId, 'codeword', since);
  if (says(asked.reply, codeword)) {
    for (const message of since) said.push(message);
    const memory = pass(`After kill -9 it came back with ${method} and remembered what it had been told.`, ms);
    return { memory, outcome: 'ok', forgotten: false };
  }
  const answered = `After kill -9 it answered ${method} with success`;
  const then = `asked for the codeword, ${instead(asked)}`;
  if (asked.answer.kind === 'answered' && asked.reply !== '')
    return { memory: breach(`${answered} and had forgotten everything: ${then}`, ms), outcome: 'ok', forgotten: true };
  // To a client this is the same as a refused resume.
  const isUnknown = readRefusal(asked.answer, 'session/prompt', sessionId) === 'unknown_session';
  const memory = unmet(asked.answer, `${answered}, and then, ${then}`);
  return { memory, outcome: isUnknown ? 'unknown_session' : 'ok', forgotten: false, untried: then.replace(/\.$/, '') };
}

/** Finds out whether the preambles that reached the model are still there, by asking for the word in them that nobody has said since. */
export async function lookForPreambles(x: Examination, agent: RunningAgent): Promise<Found> {
  const how = native({ ...x, facts: agent.facts })!;
  const method = methodOf(how, agent.facts.protocolVersion);
  const found: Found = {};
  for (const { way, sessionId, secondWord } of x.given) {
    const check = `preamble-${way}` as const;
    const { answer, outcome } = await agent.resumeOrLoad(how, sessionId);
    if (outcome !== 'success') {
      found[check] = pass(`${reached(way)}. Whether it is kept was not seen: that session did not come back (${outcome}).`);
      continue;
    }
    await agent.quiet();
    const asked = await agent.askFor(sessionId, 'second word', []);
    if (asked.answer.kind !== 'answered') {
      const unseen = `${reached(way)}. Whether it is kept was not seen: after kill -9 and ${method}, asked for another word in it, ${instead(asked)}`;
      found[check] = unmet(asked.answer, unseen);
      continue;
    }
    found[check] = says(asked.reply, secondWord)
      ? pass(`${reached(way)}, and is still there after kill -9 and ${method}.`, answer.ms)
      : fail(
          `${reached(way)}, but is gone after kill -9 and ${method}: asked for another word in it, ${instead(asked)} A client has to give it again.`,
          answer.ms,
        );
  }
  return found;
}
