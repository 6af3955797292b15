/** The report of `rehydrate doctor`: JSON, whose names are a public contract, and text. */
import { seconds } from '../format.ts';
import { HOMEPAGE } from '../homepage.ts';
import { wrap } from '../table.ts';
import { nextStep, type ResumeState, type TriedStep } from '../../engine/resume/decide.ts';
import { withoutControls } from '../../engine/safe-text.ts';
import type { AttemptOutcome, Tier } from '../../engine/types.ts';

/** Every check, in the order of the report, with the section of the guide that explains it. */
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
  /** The evidence: what the agent did, or why it could not be tried. */
  readonly detail: string;
  readonly ms: number;
  /** True where a failure is against a rule that ACP makes a MUST, not only bad for users. */
  readonly breaksProtocol?: true;
  /** The address of the section that explains it. */
  readonly help: string;
}

/** `new` says why; every other check that needs one says this. */
export const NO_SESSION = 'There is no session to try it with; see “new”.';

/** What an agent does with a session id it never had, as a client would classify it. */
export type UnknownSessionAnswer = Exclude<AttemptOutcome, 'ok' | 'limit'> | 'success';

export interface Examined {
  readonly protocolVersion: number | null;
  readonly capabilities: Readonly<Record<string, unknown>> | null;
  readonly checks: readonly Check[];
  readonly verdict: {
    /** How a client gets a killed session back; null when it cannot, or that is unknown. */
    readonly tier: Exclude<Tier, 'live' | 'new'> | null;
    readonly summary: string;
    /** Why the memory of a session that comes back was not tried; absent where it was. */
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
  /** The same in ACP 2, where the agent speaks both versions and no one was asked for. */
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
/** Bad for users, and against no rule. */
export const fail = (detail: string, ms = 0): Finding => ({ outcome: 'fail', detail, ms });
/** Against a MUST of the protocol. */
export const breach = (detail: string, ms = 0): Finding => ({ ...fail(detail, ms), breaksProtocol: true });
export const skip = (detail: string): Finding => ({ outcome: 'skip', detail, ms: 0 });

/** Adds what was found later. A failure stays, and a second one stands beside it; a skip replaces nothing. */
export function record(found: Found, more: Found): void {
  for (const id of CHECK_IDS) {
    const [before, after] = [found[id], more[id]];
    if (before?.outcome === 'fail' && after?.outcome === 'fail' && !before.detail.includes(after.detail))
      found[id] = { ...after, ...before, detail: `${before.detail} ${after.detail}` };
    else if (after && (!before || (before.outcome !== 'fail' && after.outcome !== 'skip'))) found[id] = after;
  }
}

/** How many characters of anything that an agent said are in a report. */
const SAID_CHARS = 2_000;
const CAPABILITIES_CHARS = 64 * 1024;

const shortened = (text: string): string => (text.length > SAID_CHARS ? `${text.slice(0, SAID_CHARS)}…` : text);

/** What an agent advertises, or only its size where that is more than a person reads. */
export function reportable(capabilities: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { length } = JSON.stringify(capabilities);
  return length > CAPABILITIES_CHARS ? { omitted: `${length} characters` } : capabilities;
}

/** All checks in order; those without a finding are skipped for `reason`. */
export function checksOf(found: Found, reason: string): Check[] {
  return CHECK_IDS.map((id) => {
    const { ms, detail, ...finding } = found[id] ?? skip(reason);
    return { id, ...finding, detail: shortened(detail), ms: Math.round(ms), help: `${GUIDE}#${CHECKS[id]}` };
  });
}

const NAME_WIDTH = 6 + 24;

export function renderDoctor(report: DoctorReport, columns?: number): string {
  // A terminal that does not know its width says 0.
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
    lines.push('', must ? 'To improve; what is marked * is a MUST of the protocol:' : 'To improve:');
    for (const { id, detail, breaksProtocol, help, where } of failed)
      lines.push(`${breaksProtocol ? '*' : ' '} ${id}${where}`, ...wrap(detail, width - 4).map((line) => `    ${line}`), `    ${help}`);
  }
  lines.push('', 'Tried:', ...tried(report.checks, width));
  if (v2?.differs.length === 0) lines.push('', 'In ACP 2 all of it came out the same.');
  else if (v2) lines.push('', 'Otherwise in ACP 2:', ...tried(v2.checks.filter(({ id }) => v2.differs.includes(id)), width)); // prettier-ignore
  return `${lines.map((line) => withoutControls(line, 'line', '·')).join('\n')}\n`;
}

const isFailure = ({ outcome }: Check): boolean => outcome === 'fail';
const MARKS: Readonly<Record<Check['outcome'], string>> = { pass: 'pass', fail: 'FAIL', skip: 'skip' };

function tried(checks: readonly Check[], width: number): string[] {
  return checks.flatMap((check) => {
    // Several that were skipped for one reason are one line.
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

/** How a client of this version takes a session up. */
export const methodOf = (how: How, version = 1): string =>
  how === 'load' && version === 2 ? 'session/resume with replayFrom' : `session/${how}`;

export interface ComingBack {
  /** As a client reads it: `ok` is success, `unproven` success of a load whose replay has nothing of what was said. */
  readonly outcome: AttemptOutcome;
  /** True when the agent answered with success and had forgotten what it was told. */
  readonly forgotten: boolean;
  /** True when a client does not believe a success because the agent's own list does not show the session. */
  readonly unlisted?: boolean;
  /** Why its memory was not tried after a success. */
  readonly untried?: string;
  /** Why it could not be asked at all. */
  readonly notStarted?: string;
}

export interface Outcomes {
  readonly examined: boolean;
  /** What each process that was to bring a killed session back advertised. */
  readonly processes: readonly ResumeState['capabilities'][];
  readonly resume: ComingBack | null;
  readonly load: ComingBack | null;
  readonly said: boolean;
  readonly version?: number;
  readonly unknownSession: DoctorReport['verdict']['unknownSession'];
}

/** Whether a session in which something was said did not really come back. */
export const lost = ({ outcome, forgotten }: ComingBack): boolean => outcome === 'unknown_session' || outcome === 'unproven' || forgotten;

/** `outcomes` is null when the agent did not even introduce itself. */
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

/** The least that users get. */
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
  return { ...verdict, summary: `${summary} So it is after some of its starts: what it advertises changes.` };
}

/** Walks down the tiers by the engine's own decision on what the agent did, for a process that advertises this. */
function tierWith(advertised: ResumeState['capabilities'], outcomes: Outcomes): TierVerdict {
  const came = { resume: advertised.resume ? outcomes.resume : null, load: advertised.load ? outcomes.load : null };
  const capabilities = { ...advertised, resume: came.resume !== null, load: came.load !== null };
  const attempts: TriedStep[] = [];
  let last: ComingBack | null = null;
  // Where an error alone did not tell, the outcome already has the list's answer.
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
