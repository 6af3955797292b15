/** The report of `rehydrate doctor`, as JSON (whose names are a public contract) and as text. */
import { seconds } from '../format.ts';
import { HOMEPAGE } from '../homepage.ts';
import { wrap } from '../table.ts';
import { nextStep, type ResumeState, type TriedStep } from '../../engine/resume/decide.ts';
import { withoutControls } from '../../engine/safe-text.ts';
import type { AttemptOutcome, Tier } from '../../engine/types.ts';

/** Every check, in the order of the report, with the section of the agent guide that explains it. */
const CHECKS = {
  initialize: 'advertise-only-what-you-do',
  new: 'keep-sessions-on-disk',
  'session-ids': 'keep-sessions-on-disk',
  prompt: 'test-it',
  list: 'advertise-only-what-you-do',
  'kill-and-resume': 'keep-sessions-on-disk',
  'kill-and-load': 'keep-sessions-on-disk',
  'replay-complete': 'replay-before-you-answer',
  'replay-before-response': 'replay-before-you-answer',
  'resume-silent': 'replay-before-you-answer',
  'preamble-inline': 'keep-what-you-are-given',
  'preamble-resource': 'keep-what-you-are-given',
  'unknown-session-load': 'answer-for-an-unknown-session',
  'unknown-session-resume': 'answer-for-an-unknown-session',
  'never-prompted': 'keep-sessions-on-disk',
  close: 'end-cleanly',
  'clean-exit': 'end-cleanly',
  'no-orphans': 'end-cleanly',
} as const;

export type CheckId = keyof typeof CHECKS;
export const CHECK_IDS = Object.keys(CHECKS) as CheckId[];

const GUIDE = `${HOMEPAGE}/guides/agent/`;

export interface Check {
  readonly id: CheckId;
  readonly outcome: 'pass' | 'fail' | 'skip';
  /** The evidence: what the agent did, or why the check was not tried. */
  readonly detail: string;
  readonly ms: number;
  /** True for a failure that breaks a MUST of ACP, rather than only being bad for users. */
  readonly breaksProtocol?: true;
  readonly help: string;
}

/** The reason of every check that needs a session when there is none. The check `new` says why. */
export const NO_SESSION = 'There is no session to try it with; see “new”.';

/** What an agent does with a session id it never had, as a client would classify it. */
export type UnknownSessionAnswer = Exclude<AttemptOutcome, 'ok' | 'limit'> | 'success';

export interface Examined {
  readonly protocolVersion: number | null;
  readonly capabilities: Readonly<Record<string, unknown>> | null;
  readonly checks: readonly Check[];
  readonly verdict: {
    /** How a client gets a killed session back; null when it does not, or when that is unknown. */
    readonly tier: Exclude<Tier, 'live' | 'new'> | null;
    readonly summary: string;
    /** Why it was not tried whether a session that comes back remembers anything. Absent if it was tried. */
    readonly untried?: string;
    /** Null where the agent does not advertise the method, or it could not be tried. */
    readonly unknownSession: { readonly load: UnknownSessionAnswer | null; readonly resume: UnknownSessionAnswer | null };
    readonly breaksProtocol: boolean;
  };
}

export interface DoctorReport extends Examined {
  readonly agent: {
    readonly command: string;
    /** As the agent calls itself in `initialize`. */
    readonly name: string | null;
    readonly version: string | null;
  };
  /** The examination in ACP 2, if the agent speaks both versions and no version was asked for. */
  readonly v2?: Examined & {
    readonly differs: readonly CheckId[];
  };
}

export function differences(one: Examined, other: Examined): CheckId[] {
  const came = (check: Check | undefined) => `${check?.outcome} ${check?.breaksProtocol}`;
  return CHECK_IDS.filter((_, index) => came(one.checks[index]) !== came(other.checks[index]));
}

export type Finding = Pick<Check, 'outcome' | 'detail' | 'ms' | 'breaksProtocol'>;
export type Found = Partial<Record<CheckId, Finding>>;

export const pass = (detail: string, ms = 0): Finding => ({ outcome: 'pass', detail, ms });
/** Bad for users, but breaks no MUST. */
export const fail = (detail: string, ms = 0): Finding => ({ outcome: 'fail', detail, ms });
/** Breaks a MUST of the protocol. */
export const breach = (detail: string, ms = 0): Finding => ({ ...fail(detail, ms), breaksProtocol: true });
export const skip = (detail: string): Finding => ({ outcome: 'skip', detail, ms: 0 });

/** Adds later findings. A failure stays, and a second one is added to it; a skip replaces nothing. */
export function record(found: Found, more: Found): void {
  for (const id of CHECK_IDS) {
    const before = found[id];
    const after = more[id];
    if (before?.outcome === 'fail' && after?.outcome === 'fail' && !before.detail.includes(after.detail))
      found[id] = { ...after, ...before, detail: `${before.detail} ${after.detail}` };
    else if (after && (!before || (before.outcome !== 'fail' && after.outcome !== 'skip'))) found[id] = after;
  }
}

/** The most characters that a report has of any one text, since agents' words are in it. */
const SAID_CHARS = 2_000;
const CAPABILITIES_CHARS = 64 * 1024;

const shortened = (text: string): string => (text.length > SAID_CHARS ? `${text.slice(0, SAID_CHARS)}…` : text);

/** What an agent advertises, or only its size if that is too much for a report. */
export function reportable(capabilities: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { length } = JSON.stringify(capabilities);
  return length > CAPABILITIES_CHARS ? { omitted: `${length} characters` } : capabilities;
}

/** All checks, in order. Those without a finding are skipped, for `reason`. */
export function checksOf(found: Found, reason: string): Check[] {
  return CHECK_IDS.map((id) => {
    const { ms, detail, ...finding } = found[id] ?? skip(reason);
    return { id, ...finding, detail: shortened(detail), ms: Math.round(ms), help: `${GUIDE}#${CHECKS[id]}` };
  });
}

const NAME_WIDTH = 6 + 24;

export function renderDoctor(report: DoctorReport, columns?: number): string {
  // Some terminals report a width of 0.
  const width = columns || 100;
  const { agent, protocolVersion, v2 } = report;
  const name = [agent.name ?? agent.command, agent.version].filter(Boolean).join(' ');
  const lines = [`${name}${protocolVersion === null ? '' : `, ACP ${protocolVersion}${v2 ? ' and 2' : ''}`}`];
  if (v2 && v2.verdict.summary !== report.verdict.summary) lines.push(`ACP 1: ${report.verdict.summary}`, `ACP 2: ${v2.verdict.summary}`);
  else lines.push(report.verdict.summary);

  const failed = report.checks.filter(isFailure).map((check) => ({ ...check, where: '' }));
  for (const check of v2?.checks.filter(isFailure) ?? [])
    if (v2?.differs.includes(check.id)) failed.push({ ...check, where: ', in ACP 2' });
  if (failed.length > 0) {
    const must = failed.some(({ breaksProtocol }) => breaksProtocol);
    lines.push('', must ? 'To improve (* marks a MUST of the protocol):' : 'To improve:');
    for (const { id, detail, breaksProtocol, help, where } of failed)
      lines.push(`${breaksProtocol ? '*' : ' '} ${id}${where}`, ...wrap(detail, width - 4).map((line) => `    ${line}`), `    ${help}`);
  }
  lines.push('', 'Tried:', ...tried(report.checks, width));
  if (v2?.differs.length === 0) lines.push('', 'All results are the same in ACP 2.');
  else if (v2) lines.push('', 'Different in ACP 2:', ...tried(v2.checks.filter(({ id }) => v2.differs.includes(id)), width)); // prettier-ignore
  return `${lines.map((line) => withoutControls(line, 'line', '·')).join('\n')}\n`;
}

const isFailure = ({ outcome }: Check): boolean => outcome === 'fail';
const MARKS: Readonly<Record<Check['outcome'], string>> = { pass: 'pass', fail: 'FAIL', skip: 'skip' };

function tried(checks: readonly Check[], width: number): string[] {
  return checks.flatMap((check) => {
    // Checks that were skipped for the same reason share a line.
    const [first, ...others] = check.outcome === 'skip' ? checks.filter(({ detail }) => detail === check.detail) : [check];
    if (first !== check) return [];
    const also = others.length > 0 ? ` (also ${others.map(({ id }) => id).join(', ')})` : '';
    const took = check.ms >= 100 ? ` (${seconds(check.ms)})` : '';
    const words = isFailure(check) ? `See above.${took}` : `${check.detail}${also}${took}`;
    return wrap(words, Math.max(40, width - NAME_WIDTH)).map(
      (line, index) => (index === 0 ? `${MARKS[check.outcome].padEnd(6)}${check.id}` : '').padEnd(NAME_WIDTH) + line,
    );
  });
}

export type How = 'resume' | 'load';

/** The method by which a client of this version resumes or loads a session. */
export const methodOf = (how: How, version = 1): string =>
  how === 'load' && version === 2 ? 'session/resume with replayFrom' : `session/${how}`;

export interface ComingBack {
  /** As a client reads it: `ok` is success; `unproven` is a load that succeeded, but replayed nothing of what was said. */
  readonly outcome: AttemptOutcome;
  /** Whether the agent answered with success, but had forgotten what it was told. */
  readonly forgotten: boolean;
  /** Whether a client would not believe a success, because the agent's own list does not show the session. */
  readonly unlisted?: boolean;
  /** Why its memory was not tried, after a success. */
  readonly untried?: string;
  /** Why the agent could not be asked. */
  readonly notStarted?: string;
}

export interface Outcomes {
  readonly examined: boolean;
  /** What each process advertised that was to bring a killed session back. */
  readonly processes: readonly ResumeState['capabilities'][];
  readonly resume: ComingBack | null;
  readonly load: ComingBack | null;
  readonly said: boolean;
  readonly version?: number;
  readonly unknownSession: DoctorReport['verdict']['unknownSession'];
}

/** Whether a session did not really come back, whatever the agent claims. */
export const lost = ({ outcome, forgotten }: ComingBack): boolean => outcome === 'unknown_session' || outcome === 'unproven' || forgotten;

/** The verdict. `outcomes` is null if the agent did not get past `initialize`. */
export function verdictOf(outcomes: Outcomes | null, checks: readonly Check[]): DoctorReport['verdict'] {
  const unknownSession = outcomes?.unknownSession ?? { load: null, resume: null };
  const { tier, summary, untried } = tierOf(outcomes);
  return {
    tier,
    summary: shortened(summary),
    unknownSession,
    breaksProtocol: checks.some((check) => check.breaksProtocol === true),
    ...(untried !== undefined && { untried: shortened(untried) }),
  };
}

type TierVerdict = Pick<DoctorReport['verdict'], 'tier' | 'summary' | 'untried'>;

const BEST_FIRST: readonly TierVerdict['tier'][] = ['resume', 'load', 'transcript', null];

/** The verdict for the worst of its processes, which is the least that users get. */
function tierOf(outcomes: Outcomes | null): TierVerdict {
  if (!outcomes?.examined) return { tier: null, summary: 'How its sessions come back could not be found out.' };
  if (!outcomes.said && [outcomes.resume, outcomes.load].some((came) => came?.outcome === 'unknown_session')) {
    return {
      tier: null,
      summary:
        'It forgets sessions that were never prompted; how others come back could not be found out without a prompt that is answered.',
    };
  }
  const verdicts = outcomes.processes.map((capabilities) => tierWith(capabilities, outcomes));
  verdicts.sort((one, other) => BEST_FIRST.indexOf(other.tier) - BEST_FIRST.indexOf(one.tier));
  const verdict = verdicts[0]!;
  const { tier, summary } = verdict;
  if (verdicts.every((other) => other.tier === tier)) return verdict;
  return { ...verdict, summary: `${summary} This holds for some of its starts: what it advertises changes.` };
}

/** Goes down the tiers as the engine would, given what the agent did, for a process that advertises this. */
function tierWith(advertised: ResumeState['capabilities'], outcomes: Outcomes): TierVerdict {
  const came = { resume: advertised.resume ? outcomes.resume : null, load: advertised.load ? outcomes.load : null };
  const capabilities = { ...advertised, resume: came.resume !== null, load: came.load !== null };
  const attempts: TriedStep[] = [];
  let last: ComingBack | null = null;
  // Where an error alone did not tell, the outcome already takes the list into account.
  let listed: ResumeState['listed'];
  for (;;) {
    const step = nextStep({
      policy: 'auto',
      capabilities,
      agentSessionId: 'the session',
      hasHistory: true,
      attempts,
      ...(listed ? { listed } : {}),
    });
    switch (step.do) {
      case 'session/resume':
      case 'session/load': {
        const how = step.do === 'session/resume' ? 'resume' : 'load';
        last = came[how]!;
        attempts.push({ method: step.do, outcome: last.outcome });
        continue;
      }
      case 'ask-list':
        listed = 'unknown';
        continue;
      case 'session/new':
        return { tier: 'transcript', summary: `${withoutNative(came)}: a client goes on with a transcript in a new session.` };
      case 'accept': {
        const method = methodOf(step.tier, outcomes.version);
        if (last?.forgotten) {
          return {
            tier: null,
            summary: `It claims to bring a killed session back with ${method}, but has forgotten it: users lose their conversation without being told.`,
          };
        }
        const tier = step.tier === 'load' ? 'load' : 'resume';
        const untried = last?.untried;
        if (untried === undefined) return { tier, summary: `A killed session comes back with ${method}.` };
        const summary = `A killed session comes back with ${method}, as it says; whether it remembers was not tried: ${untried}.`;
        return { tier, summary, untried };
      }
      case 'stop':
        return {
          tier: null,
          summary: `A killed session does not come back, and a client has to stop: ${last?.notStarted ?? step.reason}.`,
        };
    }
  }
}

function withoutNative({ resume, load }: Pick<Outcomes, How>): string {
  if (resume === null && load === null) return 'It cannot bring sessions back itself';
  if (resume?.unlisted === true) return 'It claims to resume a killed session, but its own list does not show it';
  if (load?.outcome === 'unproven') return 'It claims to load a killed session, but replays nothing of it';
  return 'It does not bring a killed session back, and says so';
}
