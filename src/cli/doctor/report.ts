/** What `rehydrate doctor` reports. Plain JSON; names are the public contract. */
import { withoutControls } from '../../engine/safe-text.ts';
import type { AttemptOutcome, Tier } from '../../engine/types.ts';
import { seconds } from '../format.ts';
import { wrap } from '../help.ts';

/** Every check, in the order in which a report shows them. */
export const CHECK_IDS = [
  'initialize',
  'new',
  'prompt',
  'list',
  'kill-and-resume',
  'kill-and-load',
  'replay-complete',
  'replay-before-response',
  'resume-silent',
  'unknown-session-load',
  'unknown-session-resume',
  'never-prompted',
  'close',
  'clean-exit',
  'no-orphans',
] as const;

export type CheckId = (typeof CHECK_IDS)[number];

export interface Check {
  readonly id: CheckId;
  readonly outcome: 'pass' | 'fail' | 'skip';
  /** The evidence: what the agent did, or why it could not be tried. */
  readonly detail: string;
  /** How long the agent took over it, in milliseconds. */
  readonly ms: number;
  /** True where a failure is against a rule that ACP makes a MUST, not only bad for users. */
  readonly breaksProtocol?: true;
  /** Where the site explains it, relative to the site's root. */
  readonly help: string;
}

/** Said once of why there is none, in `new`; of every other check that needs one, this. */
export const NO_SESSION = 'There is no session to try it with; see “new”.';

/** What an agent does with a session id it never had: classified as a client would, or what it did instead. */
export type UnknownSessionAnswer = Exclude<AttemptOutcome, 'ok' | 'limit'> | 'success';

export interface DoctorReport {
  readonly agent: {
    /** The program's name, without its arguments. */
    readonly command: string;
    /** As the agent calls itself in `initialize`. */
    readonly name: string | null;
    readonly version: string | null;
  };
  readonly protocolVersion: number | null;
  readonly capabilities: Readonly<Record<string, unknown>> | null;
  readonly checks: readonly Check[];
  readonly verdict: {
    /** How a client gets a killed session back; null when that could not be found out, or it cannot. */
    readonly tier: Exclude<Tier, 'live' | 'new'> | null;
    /** The verdict in one sentence, for people. */
    readonly summary: string;
    /** Null where the agent does not advertise the method, or it could not be tried. */
    readonly unknownSession: { readonly load: UnknownSessionAnswer | null; readonly resume: UnknownSessionAnswer | null };
    /** True when a check failed that ACP makes a MUST. */
    readonly breaksProtocol: boolean;
  };
}

/** The section that explains a check. */
export const HELP: Readonly<Record<CheckId, string>> = {
  initialize: '/guides/agent/#advertise-only-what-you-do',
  new: '/guides/agent/#keep-sessions-on-disk',
  prompt: '/guides/agent/#test-it',
  list: '/guides/agent/#advertise-only-what-you-do',
  'kill-and-resume': '/guides/agent/#keep-sessions-on-disk',
  'kill-and-load': '/guides/agent/#keep-sessions-on-disk',
  'replay-complete': '/guides/agent/#replay-before-you-answer',
  'replay-before-response': '/guides/agent/#replay-before-you-answer',
  'resume-silent': '/guides/agent/#replay-before-you-answer',
  'unknown-session-load': '/guides/agent/#answer-for-an-unknown-session',
  'unknown-session-resume': '/guides/agent/#answer-for-an-unknown-session',
  'never-prompted': '/guides/agent/#keep-sessions-on-disk',
  close: '/guides/agent/#end-cleanly',
  'clean-exit': '/guides/agent/#end-cleanly',
  'no-orphans': '/guides/agent/#end-cleanly',
};

/** The checks as they come in; what was never reached is skipped with the reason in force. */
export class Findings {
  readonly #checks = new Map<CheckId, Check>();

  pass(id: CheckId, detail: string, ms = 0): void {
    this.#set({ id, outcome: 'pass', detail, ms: Math.round(ms), help: HELP[id] });
  }

  fail(id: CheckId, detail: string, ms = 0, how: { breaksProtocol?: boolean } = {}): void {
    this.#set({
      id,
      outcome: 'fail',
      detail,
      ms: Math.round(ms),
      ...(how.breaksProtocol ? { breaksProtocol: true as const } : {}),
      help: HELP[id],
    });
  }

  skip(id: CheckId, reason: string): void {
    this.#set({ id, outcome: 'skip', detail: reason, ms: 0, help: HELP[id] });
  }

  get(id: CheckId): Check | undefined {
    return this.#checks.get(id);
  }

  /** All checks in order; those without a finding are skipped for `reason`. */
  all(reason: string): Check[] {
    return CHECK_IDS.map((id) => this.#checks.get(id) ?? { id, outcome: 'skip', detail: reason, ms: 0, help: HELP[id] });
  }

  /** The first finding stands, but a failure found later takes a pass back. */
  #set(check: Check): void {
    const before = this.#checks.get(check.id);
    if (!before || (before.outcome !== 'fail' && check.outcome === 'fail')) this.#checks.set(check.id, check);
  }
}

const MARKS: Readonly<Record<Check['outcome'], string>> = { pass: 'pass', fail: 'FAIL', skip: 'skip' };
const LABEL = 6 + 24;

/** The report as one screen of plain text. */
export function renderDoctor(report: DoctorReport, width = 100): string {
  const { agent, verdict, checks } = report;
  const name = [agent.name ?? agent.command, agent.version].filter(Boolean).join(' ');
  const lines = [`${name}${report.protocolVersion === null ? '' : `, ACP ${report.protocolVersion}`}`, verdict.summary];
  if (verdict.breaksProtocol) lines.push('It breaks the protocol; see the failures below.');
  lines.push('');
  const textWidth = Math.max(40, width - LABEL);
  const alike = (check: Check) =>
    checks.filter((each) => each.outcome === 'skip' && check.outcome === 'skip' && each.detail === check.detail);
  for (const check of checks) {
    // What holds for several is said once.
    const [first = check, ...others] = alike(check);
    if (first !== check) continue;
    const also = others.length > 0 ? ` (also ${others.map(({ id }) => id).join(', ')})` : '';
    const took = check.ms >= 100 ? ` (${seconds(check.ms)})` : '';
    for (const [index, line] of wrap(`${check.detail}${also}${took}`, textWidth).entries())
      lines.push((index === 0 ? `${MARKS[check.outcome].padEnd(6)}${check.id}` : '').padEnd(LABEL) + line);
  }
  const failed = checks.filter((check) => check.outcome === 'fail');
  if (failed.length > 0) {
    lines.push('', 'What to do, in the documentation:');
    for (const help of new Set(failed.map((check) => check.help))) {
      const ids = failed.filter((check) => check.help === help).map(({ id }) => id);
      lines.push(`  ${help}  (${ids.join(', ')})`);
    }
  }
  return `${lines.map((line) => withoutControls(line, 'line', '·')).join('\n')}\n`;
}
