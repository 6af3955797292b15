/** An examination in one version of ACP: its options, what it has found so far, and how a step is taken. */
import path from 'node:path';
import { RehydrateError } from '../../engine/errors.ts';
import { DEFAULT_LIMITS } from '../../engine/limits.ts';
import type { AgentFacts } from '../../engine/protocol/agent-protocol.ts';
import type { ProtocolChoice } from '../../engine/types.ts';
import { withAbsolutePaths } from '../parse.ts';
import { type RunningAgent, type Setting, withAgent } from './agent.ts';
import { newConduct } from './conduct.ts';
import type { Message } from './messages.ts';
import { launcherOf, type Start } from './process.ts';
import {
  type CheckId,
  type ComingBack,
  fail,
  type Finding,
  type Found,
  type How,
  NO_SESSION,
  record,
  skip,
  type UnknownSessionAnswer,
} from './report.ts';

export interface DoctorOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** How the agent's processes are started. Default: as a host does. */
  readonly start?: Start;
  /** How long each answer may take, in milliseconds. Default 60 000. */
  readonly timeoutMs?: number;
  /** False sends no prompt, so that no model is asked. Default true. */
  readonly prompt?: boolean;
  readonly auth?: string | undefined;
  /** The version of ACP to examine. Default: each that the agent speaks. */
  readonly protocol?: ProtocolChoice | undefined;
  /** How long the agent may take to end after its input was closed, in milliseconds. Default: as long as a host gives it. */
  readonly graceMs?: number;
  /** After so many milliseconds without an update, what the agent said counts as complete. Default: `replayQuietMs`, as in a host. */
  readonly quietMs?: number;
  /** The unit of clock time that an agent's store may go by (see `comeBack`), in milliseconds. Default: a minute. */
  readonly clockMs?: number;
  /** Told what is about to happen: that a model will be prompted, or that there is a wait. */
  readonly onNotice?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** The ways in which a host gives an agent the record of a conversation that it lost. */
export const PREAMBLES = { inline: 'the text of a prompt', resource: 'an embedded resource' } as const;
export type PreambleWay = keyof typeof PREAMBLES;

interface GivenPreamble {
  readonly way: PreambleWay;
  readonly sessionId: string;
  /** A word in the preamble that was not asked for yet: an agent that can say it later still has the preamble. */
  readonly secondWord: string;
}

/** A session, and what was said in it by a process that has been killed since. */
export interface Told {
  readonly sessionId: string;
  /** The messages so far. A successful resume adds to them. */
  readonly said: Message[];
  /** A word that the agent was told, and could say back while it lived. Null if it could not: then its memory cannot be judged. */
  readonly codeword: string | null;
  /** Why there is no such word; follows “was not tried:” in a sentence. */
  readonly untried: string;
}

export function newExamination(protocol: ProtocolChoice, options: DoctorOptions, cwd: string) {
  const { env = {}, timeoutMs = 60_000, quietMs = DEFAULT_LIMITS.replayQuietMs, auth, signal = new AbortController().signal } = options;
  // The paths of a command are relative to the current directory, not to the scratch directory.
  const [command = '', ...args] = withAbsolutePaths([options.command, ...options.args]);
  const program = { command, args, env, start: options.start };
  const setting: Setting = {
    name: path.basename(command),
    launch: launcherOf(program),
    cwd,
    timeoutMs,
    quietMs,
    signal,
    auth,
    protocol,
    made: [],
    conduct: newConduct(),
  };
  return {
    ...setting,
    program,
    options,
    found: {} as Found,
    /** What the first process said of itself; null until it has, and if it does not speak this version. */
    facts: null as AgentFacts | null,
    told: null as Told | null,
    neverPrompted: null as string | null,
    /** The sessions that began with a preamble which reached the model. */
    given: [] as GivenPreamble[],
    /** What each later process said of itself that was to bring a killed session back. A client goes by these facts. */
    restarts: [] as AgentFacts[],
    /** How a killed session came back; null for a method that was not used. */
    came: { resume: null, load: null } as Record<How, ComingBack | null>,
    unknownSession: { load: null, resume: null } as Record<How, UnknownSessionAnswer | null>,
  };
}
export type Examination = ReturnType<typeof newExamination>;

/** Why a step cannot be tried; false when it can. */
export type Obstacle = (x: Examination) => string | false;

export const session: Obstacle = ({ told }) => told === null && NO_SESSION;
export const codeword: Obstacle = ({ told }) => told?.codeword === null && `Whether it reaches the model was not tried: ${told.untried}.`;
export const can = (facts: AgentFacts | null, method: How | 'list' | 'close'): boolean =>
  facts !== null && { resume: facts.canResume, load: facts.canLoad, list: facts.canList, close: facts.canClose }[method];
export const advertises =
  (...methods: (How | 'list' | 'close')[]): Obstacle =>
  ({ facts }) =>
    !methods.some((method) => can(facts, method)) && `It does not advertise ${methods.map((method) => `session/${method}`).join(' or ')}.`;

export interface Step {
  /** When the step's own process cannot be started, the first of these fails. */
  readonly checks: readonly [CheckId, ...CheckId[]];
  /** `first`: in the first process, before that is killed. `own`: in a process of its own. `none`: the step starts what it needs. */
  readonly process: 'first' | 'own' | 'none';
  /** Its checks are skipped for the first of these that holds. With `own` they are asked again, about the new process. */
  readonly needs: readonly Obstacle[];
  /** A single `Finding` is that of the first check. */
  readonly run: (x: Examination, agent: RunningAgent) => Promise<Finding | Found>;
}

/** Takes one step, or records why not. An agent that cannot be started again fails the step, not the whole examination. */
export async function take(step: Step, x: Examination, first?: RunningAgent): Promise<void> {
  const { checks, process: where, needs, run } = step;
  x.signal.throwIfAborted();
  const end = first?.end;
  const why = needs.map((obstacle) => obstacle(x)).find(Boolean) || (end && `It ${end} before this could be tried.`);
  if (why) return record(x.found, Object.fromEntries(checks.map((id) => [id, skip(why)])));
  const inOwnProcess = (): Promise<Finding | Found> =>
    withAgent(x, async (agent, { facts, failure, ms }) => {
      if (!facts) return fail(`Started again, it ${failure}.`, ms);
      record(x.found, judgeOffers(x, facts));
      const lacks = needs.map((obstacle) => obstacle({ ...x, facts })).find(Boolean);
      return lacks ? skip(`Started again for this, it was like another agent. ${lacks}`) : run(x, agent);
    });
  const found = await (first || where === 'none' ? run(x, first as RunningAgent) : inOwnProcess()).catch((error: Error) => {
    x.signal.throwIfAborted();
    if (first) throw error;
    // The directory was made for this examination.
    if (RehydrateError.is(error) && error.code === 'cwd_missing')
      return fail('It removed the directory that it was started in, so a client cannot start it there again.');
    return fail(`It could not be started again: ${error.message}`);
  });
  const judged: Found = 'outcome' in found ? { [checks[0]]: found as Finding } : found;
  const [main, ...others] = checks;
  const reason = judged[main];
  // A step that found nothing for its other checks did not reach them.
  const unreached = reason && skip(reason.outcome === 'skip' ? reason.detail : `See “${main}”.`);
  record(x.found, { ...(unreached && Object.fromEntries(others.map((id) => [id, unreached]))), ...judged });
}

export const offersOf = (facts: AgentFacts): string =>
  (['resume', 'load', 'list'] as const).filter((method) => can(facts, method)).join(', ') || 'none of resume, load and list';

/** Compares what another process advertises with what the first did. */
export function judgeOffers({ facts: first }: Examination, now: AgentFacts): Found {
  if (first === null || offersOf(first) === offersOf(now)) return {};
  const detail = `What it advertises changes from start to start: first ${offersOf(first)}, then ${offersOf(now)}. A client goes by what each process advertises, so what its users get changes with it.`;
  return { initialize: fail(detail) };
}
