/** `rehydrate doctor`: how well an ACP agent's sessions survive its death, found out by killing it. */
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { stdioLauncher } from '../../adapters/stdio/index.ts';
import { whereTyped } from '../agent-words.ts';
import { STDIO_LIMITS } from '../../adapters/stdio/limits.ts';
import { exitChecks, type AgentCommand } from './exit-checks.ts';
import { initialChecks } from './initial-checks.ts';
import { Findings, NO_SESSION, type CheckId, type DoctorReport } from './report.ts';
import { resumeChecks } from './resume-checks.ts';
import type { AgentUnderTest, Examination } from './running-agent.ts';
import { checkClose, checkNeverPrompted, checkUnknownSession } from './unknown-session-checks.ts';
import { verdictOf, type Outcomes } from './verdict.ts';

export { CHECK_IDS, renderDoctor, type CheckId, type DoctorReport } from './report.ts';

export interface DoctorOptions extends AgentCommand {
  /** How long each answer may take, in milliseconds. Default 60 000. */
  readonly timeoutMs?: number;
  /** False sends no prompt, so that no model is asked. Default true. */
  readonly prompt?: boolean;
  /** Signs in with this method of the agent's at each start. */
  readonly auth?: string | undefined;
  /** How long it may take to end after its input closed, in milliseconds. Default: as long as a host gives it. */
  readonly graceMs?: number;
  /** Told what is about to happen, before it does: that a model will be prompted. */
  readonly onNotice?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export const PROMPT_NOTICE =
  'doctor will send up to four one-line prompts to the agent, which may ask its model and cost a little. --no-prompt skips that.';

/**
 * Examines an agent: starts it about eight times in a scratch directory, kills it, and asks for its
 * sessions back. Rejects with `RehydrateError` (`agent_start_failed`, …) when it cannot be started at
 * all, and with the signal's reason; no process is left either way.
 */
export async function runDoctor(options: DoctorOptions): Promise<DoctorReport> {
  const { env, timeoutMs = 60_000, prompt = true, auth, graceMs = STDIO_LIMITS.askMs, signal = new AbortController().signal } = options;
  // Files are meant as seen from here, and not from the scratch directory.
  const [command = '', ...args] = whereTyped([options.command, ...options.args]);
  const cwd = await realpath(await mkdtemp(path.join(os.tmpdir(), 'rehydrate-doctor-')));
  const findings = new Findings();
  const defined = Object.fromEntries(Object.entries(env ?? {}).filter((entry): entry is [string, string] => entry[1] !== undefined));
  const launcher = stdioLauncher({ agents: { agent: { command, args, env: defined } } });
  const examination: Examination = { launcher, cwd, timeoutMs, signal, auth, findings };
  try {
    if (prompt) options.onNotice?.(PROMPT_NOTICE);
    const tested = await initialChecks(examination, prompt);
    signal.throwIfAborted();
    const outcomes =
      tested === null ? NOTHING : await laterChecks(examination, tested, () => exitChecks(examination, { command, args, env }, graceMs));
    signal.throwIfAborted();
    const checks = findings.all(
      tested === null ? 'It did not get past initialize.' : tested.sessionId === null ? NO_SESSION : 'It could not be tried.',
    );
    const { info = null, capabilities = null } = tested?.facts ?? {};
    return {
      agent: { command: path.basename(command), name: info?.name ?? null, version: info?.version ?? null },
      protocolVersion: tested === null ? null : 1,
      capabilities,
      checks,
      verdict: verdictOf(outcomes, checks),
    };
  } finally {
    await rm(cwd, { recursive: true, force: true, maxRetries: 3 });
  }
}

const NOTHING: Outcomes = {
  examined: false,
  capabilities: { resume: false, load: false, list: false },
  resume: null,
  load: null,
  said: false,
  unknownSession: { load: null, resume: null },
};

async function laterChecks(examination: Examination, tested: AgentUnderTest, exit: () => Promise<void>): Promise<Outcomes> {
  // Resume goes first: what it adds to the conversation makes the replay longer and so the better witness.
  const resume = await part(examination, 'kill-and-resume', () => resumeChecks(examination, tested, 'session/resume'));
  const load = await part(examination, 'kill-and-load', () => resumeChecks(examination, tested, 'session/load'));
  const unknownSession = {
    load: await part(examination, 'unknown-session-load', () => checkUnknownSession(examination, tested, 'session/load')),
    resume: await part(examination, 'unknown-session-resume', () => checkUnknownSession(examination, tested, 'session/resume')),
  };
  await part(examination, 'never-prompted', () => checkNeverPrompted(examination, tested));
  await part(examination, 'close', () => checkClose(examination, tested));
  await part(examination, 'clean-exit', exit);
  const { canResume, canLoad, canList } = tested.facts;
  return {
    examined: tested.sessionId !== null,
    capabilities: { resume: canResume, load: canLoad, list: canList },
    resume,
    load,
    said: tested.said.length > 0,
    unknownSession,
  };
}

/** An agent that started once and then could not be started again fails that part, not the whole examination. */
async function part<T>({ findings, signal }: Examination, check: CheckId, work: () => Promise<T>): Promise<T | null> {
  signal.throwIfAborted();
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    findings.fail(check, `It could not be started again: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}
