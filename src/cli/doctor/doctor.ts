/**
 * `rehydrate doctor`: finds out how well an ACP agent's sessions survive its death, by killing it. A first process makes sessions, is told
 * something in them, and is killed; each later process is examined for one thing. `STEPS` is the examination, with a row for each of these.
 */
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { RehydrateError } from '../../engine/errors.ts';
import type { ProtocolChoice } from '../../engine/types.ts';
import { oneLine } from '../format.ts';
import { withAgent } from './agent.ts';
import { comeBack, lookForPreambles, native } from './coming-back.ts';
import { judgeConduct } from './conduct.ts';
import { advertises, type DoctorOptions, newExamination, type Examination, session, type Step, take } from './examination.ts';
import { lookAtExit } from './exit.ts';
import { FIRST_STEPS, inFirstProcess, judgeIntroduction } from './first-process.ts';
import { askForNeverPrompted, askForUnknown, closeOne, compareIds } from './other-sessions.ts';
import { checksOf, differences, type DoctorReport, type Examined, NO_SESSION, record, reportable, verdictOf } from './report.ts';

const PROMPT_NOTICE =
  'doctor will send the agent up to ten short prompts, which may go to its model and cost a little. --no-prompt skips them.';

const AGAIN_NOTICE = 'The agent speaks ACP 2, too, so everything is tried once more, with as many prompts. --protocol v1 leaves that out.';

/**
 * Examines an agent: starts it about nine times in a scratch directory, kills it, and asks for its sessions back. An agent that speaks ACP 2,
 * too, is then examined in that. Rejects with `RehydrateError` (`agent_start_failed`, …) when the agent cannot be started at all, and with the
 * reason of an aborted signal. No process is left in any case.
 */
export async function runDoctor(options: DoctorOptions): Promise<DoctorReport> {
  const { protocol, prompt = true, onNotice } = options;
  if (prompt) onNotice?.(PROMPT_NOTICE);
  const first = await examine(protocol ?? 'v1', options);
  const second = protocol === undefined && !first.mute ? await examine('v2', options, prompt && first.facts ? AGAIN_NOTICE : '') : null;
  const [main, other] = first.facts === null && second?.facts ? [second, null] : [first, second?.facts ? second : null];
  const info = main.facts?.info;
  return {
    agent: { command: path.basename(options.command), name: nameOf(info?.name), version: nameOf(info?.version) },
    ...main.examined,
    ...(other ? { v2: { ...other.examined, differs: differences(main.examined, other.examined) } } : {}),
  };
}

/** What is examined after `initialize`, in this order. */
export const STEPS: readonly Step[] = [
  ...FIRST_STEPS,
  // Resume comes before load because it adds to the conversation, and a longer replay proves more.
  { checks: ['kill-and-resume', 'resume-silent'], process: 'none', needs: [session], run: comeBack('resume') },
  { checks: ['kill-and-load', 'replay-complete', 'replay-before-response'], process: 'none', needs: [session], run: comeBack('load') },
  {
    checks: ['preamble-inline', 'preamble-resource'],
    process: 'own',
    needs: [({ given }) => given.length === 0 && 'It was given none.', (x) => native(x) === undefined && 'No session comes back.'],
    run: lookForPreambles,
  },
  { checks: ['unknown-session-load'], process: 'own', needs: [advertises('load')], run: askForUnknown('load') },
  { checks: ['unknown-session-resume'], process: 'own', needs: [advertises('resume')], run: askForUnknown('resume') },
  {
    checks: ['never-prompted'],
    process: 'own',
    needs: [
      advertises('resume', 'load'),
      session,
      ({ neverPrompted }) => neverPrompted === null && 'It made no second session in one process.',
    ],
    run: askForNeverPrompted,
  },
  { checks: ['close'], process: 'own', needs: [advertises('close'), session], run: closeOne },
  { checks: ['clean-exit', 'no-orphans'], process: 'none', needs: [], run: lookAtExit },
  // Last, because only then have all sessions been made.
  { checks: ['session-ids'], process: 'none', needs: [session], run: compareIds },
];

/** Examines the agent in one version of ACP, which it does not speak if `facts` is null. `notice` is given out if it does. */
async function examine(protocol: ProtocolChoice, options: DoctorOptions, notice = '') {
  const cwd = await scratchDirectory();
  const x = newExamination(protocol, options, cwd);
  try {
    const mute = await withAgent(x, async (agent, introduction) => {
      record(x.found, judgeIntroduction(introduction));
      x.facts = introduction.facts;
      if (x.facts !== null && notice !== '') options.onNotice?.(notice);
      if (x.facts !== null) await inFirstProcess(x, agent);
      return introduction.mute;
    });
    if (x.facts !== null) for (const step of STEPS) if (step.process !== 'first') await take(step, x);
    record(x.found, judgeConduct(x.conduct));
    if (x.facts?.canDelete === true) await deleteMade(x);
    x.signal.throwIfAborted();
    const { facts, told } = x;
    const checks = checksOf(x.found, facts === null ? 'It did not get past initialize.' : NO_SESSION);
    const outcomes = facts && {
      ...x.came,
      examined: told !== null,
      processes: (x.restarts.length > 0 ? x.restarts : [facts]).map(({ canResume: resume, canLoad: load, canList: list }) => {
        return { resume, load, list };
      }),
      said: told !== null && told.said.length > 0,
      version: facts.protocolVersion,
      unknownSession: x.unknownSession,
    };
    const examined: Examined = {
      protocolVersion: facts?.protocolVersion ?? null,
      capabilities: facts && reportable(facts.capabilities),
      checks,
      verdict: verdictOf(outcomes, checks),
    };
    return { facts, mute, examined };
  } finally {
    await rm(cwd, { recursive: true, force: true, maxRetries: 3 });
  }
}

const nameOf = (said: unknown): string | null => (typeof said === 'string' ? oneLine(said, 200) : null);

async function scratchDirectory(): Promise<string> {
  try {
    return await realpath(await mkdtemp(path.join(os.tmpdir(), 'rehydrate-doctor-')));
  } catch (error) {
    const message = `No scratch directory can be made: ${(error as Error).message}. Set $TMPDIR to a directory that can be written to.`;
    throw new RehydrateError('cwd_missing', message, { directory: os.tmpdir() }, { cause: error });
  }
}

/** Deletes the doctor's sessions from the agent's store, if the agent can do that. */
async function deleteMade(x: Examination): Promise<void> {
  const work = withAgent(x, async (agent, { facts }) => {
    if (facts?.canDelete !== true) return;
    for (const sessionId of new Set(x.made)) {
      const { kind } = await agent.ask((protocol, patience) => protocol.deleteSession(sessionId, patience));
      if (kind === 'hung' || kind === 'ended') return;
    }
  });
  // Cleaning up is not a check, so its failure is not reported.
  await work.catch(() => {});
}
