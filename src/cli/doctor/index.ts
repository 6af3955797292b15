/** `rehydrate doctor`: how well an ACP agent's sessions survive its death, found out by killing it. */
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { stdioLauncher } from '../../adapters/stdio/index.ts';
import { whereTyped } from '../agent-words.ts';
import type { Examination, Patient } from './examination.ts';
import { firstLife } from './first-life.ts';
import { lastLife, type AgentCommand } from './last-life.ts';
import { Findings, type CheckId, type DoctorReport } from './report.ts';
import { killAndLoad, killAndResume, type Revival } from './revival.ts';
import { close, neverPrompted, unknownSession } from './strangers.ts';
import { verdictOf, type Outcomes } from './verdict.ts';

export type { AgentCommand } from './last-life.ts';
export { CHECK_IDS, type CheckId, type DoctorReport } from './report.ts';
export { renderDoctor } from './render.ts';

export interface DoctorOptions extends AgentCommand {
  /** How long each answer may take, in milliseconds. Default 60 000. */
  readonly timeoutMs?: number;
  /** False sends no prompt, so that no model is asked. Default true. */
  readonly prompt?: boolean;
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
  const { env, timeoutMs = 60_000, prompt = true, signal = new AbortController().signal } = options;
  // Files are meant as seen from here, and not from the scratch directory.
  const [command = '', ...args] = whereTyped([options.command, ...options.args]);
  const cwd = await realpath(await mkdtemp(path.join(os.tmpdir(), 'rehydrate-doctor-')));
  const findings = new Findings();
  const defined = Object.fromEntries(Object.entries(env ?? {}).filter((entry): entry is [string, string] => entry[1] !== undefined));
  const launcher = stdioLauncher({ agents: { agent: { command, args, env: defined } } });
  const examination: Examination = { launcher, cwd, timeoutMs, signal, findings };
  try {
    if (prompt) options.onNotice?.(PROMPT_NOTICE);
    const patient = await firstLife(examination, prompt);
    signal.throwIfAborted();
    const outcomes = patient === null ? NOTHING : await laterLives(examination, patient, { command, args, env });
    signal.throwIfAborted();
    const checks = findings.all(patient === null ? 'It did not get past initialize.' : patient.withoutSession || 'It could not be tried.');
    return {
      agent: { command: path.basename(command), name: patient?.facts.info?.name ?? null, version: patient?.facts.info?.version ?? null },
      protocolVersion: patient === null ? null : 1,
      capabilities: patient?.facts.capabilities ?? null,
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

async function laterLives(examination: Examination, patient: Patient, agent: AgentCommand): Promise<Outcomes> {
  // Resume goes first: what it adds to the conversation makes the replay longer and so the better witness.
  const resume = await part<Revival | null>(examination, 'kill-and-resume', () => killAndResume(examination, patient));
  const load = await part<Revival | null>(examination, 'kill-and-load', () => killAndLoad(examination, patient));
  const unknown = {
    load: await part(examination, 'unknown-session-load', () => unknownSession(examination, patient, 'session/load')),
    resume: await part(examination, 'unknown-session-resume', () => unknownSession(examination, patient, 'session/resume')),
  };
  await part(examination, 'never-prompted', () => neverPrompted(examination, patient));
  await part(examination, 'close', () => close(examination, patient));
  await part(examination, 'clean-exit', () => lastLife(examination, agent));
  const { canResume, canLoad, canList } = patient.facts;
  return {
    examined: patient.sessionId !== null,
    capabilities: { resume: canResume, load: canLoad, list: canList },
    resume,
    load,
    said: patient.said.length > 0,
    unknownSession: unknown,
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
