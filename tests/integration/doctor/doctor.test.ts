/** The doctor against every scripted agent: each has one thing wrong with it, and that is what must be found. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runDoctor } from '../../../src/cli/doctor/doctor.ts';
import { doctorExit } from '../../../src/cli/commands/doctor.ts';
import type { DoctorOptions } from '../../../src/cli/doctor/examination.ts';
import { CHECK_IDS, renderDoctor, type CheckId, type DoctorReport } from '../../../src/cli/doctor/report.ts';
import { UNKNOWN_SHAPES, type AgentVariant } from '../../../src/testing/agents/variants.ts';
import { AGENT, BIN, build, BUILD_MS } from '../cli/harness.ts';
import { inProcess } from './in-process.ts';

let stores: string;

beforeAll(build, BUILD_MS);
beforeAll(async () => {
  stores = await mkdtemp(path.join(os.tmpdir(), 'rehydrate-doctor-test-'));
});
afterAll(() => rm(stores, { recursive: true, force: true }));

let runs = 0;
/** One that comes back, crashes, hangs, stays, or writes what is no ACP does so as a process, too; what all others do wrong is in what they say. */
const AS_PROCESSES: readonly AgentVariant[] = ['native', 'forgetful', 'crash-prompt', 'hang-load', 'stubborn', 'garbage'];
const examine = (variant: AgentVariant, options: Partial<DoctorOptions> = {}): Promise<DoctorReport> =>
  runDoctor({
    ...(AS_PROCESSES.includes(variant)
      ? {
          command: process.execPath,
          args: [AGENT, '--variant', variant, '--store', path.join(stores, String(runs++)), '--pace', '0'],
        }
      : { command: variant, args: [], start: inProcess(variant) }),
    timeoutMs: 30_000,
    // As long as a busy machine may take; a host gives a second.
    graceMs: 10_000,
    // A second hearing, without waiting for it.
    clockMs: 0,
    protocol: 'v1',
    ...options,
  });

const reports = new Map<AgentVariant, Promise<DoctorReport>>();
/** One for all that look at it: an examination starts the agent a dozen times. */
const reportOf = (variant: AgentVariant): Promise<DoctorReport> => {
  const report = reports.get(variant) ?? examine(variant);
  reports.set(variant, report);
  return report;
};

const failures = (report: DoctorReport): CheckId[] => report.checks.filter(({ outcome }) => outcome === 'fail').map(({ id }) => id);

interface Expected {
  readonly tier: DoctorReport['verdict']['tier'];
  readonly fails?: readonly CheckId[];
  readonly breaksProtocol?: boolean;
  readonly timeoutMs?: number;
}

const LOST: readonly CheckId[] = ['kill-and-resume', 'kill-and-load'];

const CASES: Readonly<Partial<Record<AgentVariant, Expected>>> = {
  native: { tier: 'resume' },
  load: { tier: 'load' },
  amnesiac: { tier: 'transcript' },
  'no-embedded': { tier: 'transcript' },
  forgetful: { tier: 'transcript', fails: LOST },
  liar: { tier: 'transcript', fails: ['kill-and-load', 'replay-complete', 'unknown-session-load'], breaksProtocol: true },
  'liar-resume': {
    tier: null,
    fails: [...LOST, 'replay-complete', 'unknown-session-load', 'unknown-session-resume'],
    breaksProtocol: true,
  },
  late: { tier: 'load', fails: ['replay-before-response'], breaksProtocol: true },
  'replays-on-resume': { tier: 'resume', fails: ['resume-silent'], breaksProtocol: true },
  'other-chunks': { tier: 'load' },
  'no-message-ids': { tier: 'load' },
  'duplicate-replay': { tier: 'load' },
  capped: { tier: 'load', fails: ['replay-complete'], breaksProtocol: true },
  'foreign-turns': { tier: 'load' },
  'null-load': { tier: 'resume' },
  'answers-twice': { tier: 'resume', fails: ['initialize'], breaksProtocol: true },
  'unknown-kinds': { tier: 'resume' },
  'requests-at-start': { tier: 'resume' },
  'never-prompted-forgets': { tier: 'resume' },
  busy: { tier: null, fails: [...LOST, 'unknown-session-load', 'unknown-session-resume', 'never-prompted'] },
  auth: { tier: null },
  garbage: { tier: 'resume', fails: ['initialize'], breaksProtocol: true },
  'garbage-only': { tier: null, fails: ['initialize'], breaksProtocol: true, timeoutMs: 5_000 },
  stubborn: { tier: 'resume', fails: ['clean-exit'] },
  // Every other answer for an unknown session is read by the same table: its rows are tests/unit/resume's.
  'unknown:spec': { tier: 'transcript', fails: LOST },
  'unknown:opencode': { tier: 'transcript', fails: LOST },
  'unknown:method-missing': {
    tier: 'transcript',
    fails: [...LOST, 'unknown-session-load', 'unknown-session-resume', 'never-prompted'],
    breaksProtocol: true,
  },
  'unknown:other-resource': { tier: null, fails: [...LOST, 'never-prompted'] },
  'unknown:opaque-but-listed': { tier: null, fails: [...LOST, 'never-prompted'] },
  'unknown:opaque-no-list': { tier: null, fails: [...LOST, 'unknown-session-load', 'unknown-session-resume', 'never-prompted'] },
  'hang-initialize': { tier: null, fails: ['initialize'], breaksProtocol: true, timeoutMs: 5_000 },
  'hang-new': { tier: null, fails: ['new'], breaksProtocol: true, timeoutMs: 10_000 },
  'hang-load': { tier: null, fails: ['kill-and-load', 'unknown-session-load', 'never-prompted'], breaksProtocol: true, timeoutMs: 10_000 },
  'hang-resume': {
    tier: null,
    fails: ['kill-and-resume', 'unknown-session-resume', 'never-prompted'],
    breaksProtocol: true,
    timeoutMs: 10_000,
  },
  'hang-prompt': { tier: 'resume', fails: ['prompt'], breaksProtocol: true, timeoutMs: 10_000 },
  'crash-initialize': { tier: null, fails: ['initialize'], breaksProtocol: true },
  'crash-new': { tier: null, fails: ['new'], breaksProtocol: true },
  'crash-load': { tier: null, fails: ['kill-and-load', 'unknown-session-load', 'never-prompted'], breaksProtocol: true },
  'crash-resume': { tier: null, fails: ['kill-and-resume', 'unknown-session-resume', 'never-prompted'], breaksProtocol: true },
  'crash-prompt': { tier: 'resume', fails: ['prompt'], breaksProtocol: true },
};

/** How a client reads each answer for an unknown session, where it is not as unknown. */
const READ_AS: Partial<Record<(typeof UNKNOWN_SHAPES)[number], string>> = {
  'method-missing': 'unsupported',
  'opaque-no-list': 'indeterminate',
};

describe('what is wrong with an agent is found, and nothing else', () => {
  test.concurrent.each(Object.entries(CASES) as [AgentVariant, Expected][])('%s', { timeout: 600_000 }, async (variant, expected) => {
    const { tier, fails = [], breaksProtocol = false, timeoutMs } = expected;
    const report = await (timeoutMs === undefined ? reportOf(variant) : examine(variant, { timeoutMs }));
    expect(failures(report), JSON.stringify(report.checks.filter(({ outcome }) => outcome === 'fail'))).toEqual(
      CHECK_IDS.filter((id) => fails.includes(id)),
    );
    expect(report.verdict).toMatchObject({ tier, breaksProtocol });
    expect(report.checks.map(({ id }) => id)).toEqual([...CHECK_IDS]);
    const shape = UNKNOWN_SHAPES.find((one) => variant === `unknown:${one}`);
    if (shape)
      expect(report.verdict.unknownSession).toEqual({
        load: READ_AS[shape] ?? 'unknown_session',
        resume: READ_AS[shape] ?? 'unknown_session',
      });
  });
});

test('without prompts no model is asked, and what needs one is skipped with the reason', async () => {
  const notices: string[] = [];
  const report = await runDoctor({
    command: process.execPath,
    args: [AGENT, '--variant', 'native', '--store', path.join(stores, 'quiet')],
    protocol: 'v1',
    prompt: false,
    onNotice: (text) => notices.push(text),
  });
  expect(notices).toEqual([]);
  expect(report.checks.find(({ id }) => id === 'prompt')).toMatchObject({
    outcome: 'skip',
    detail: expect.stringContaining('--no-prompt'),
  });
  expect(report.checks.find(({ id }) => id === 'replay-complete')?.outcome).toBe('skip');
  expect(found(report, 'kill-and-resume')?.detail).toContain('no prompt was sent');
  expect(report.verdict.tier).toBe('resume');
});

test('without prompts, an agent that keeps only prompted sessions is not judged by that', async () => {
  const report = await examine('never-prompted-forgets', { prompt: false });
  expect(failures(report)).toEqual([]);
  expect(report.checks.find(({ id }) => id === 'kill-and-resume')).toMatchObject({
    outcome: 'skip',
    detail: expect.stringContaining('needs a prompt'),
  });
  expect(report.verdict.tier).toBeNull();
});

test('I7 what an agent leaves behind is found, named and ended', async () => {
  // A shell that starts a helper in a session of its own and then becomes the agent.
  const script = path.join(stores, 'littering.sh');
  // Nothing else on the machine sleeps that long.
  const nap = `987.${process.pid}${Math.random().toString().slice(2, 8)}`;
  await writeFile(script, `setsid sleep ${nap} >/dev/null 2>&1 </dev/null &\nexec "${process.execPath}" "${AGENT}" --pace 0\n`);
  const report = await runDoctor({ command: 'sh', args: [script], prompt: false, protocol: 'v1' });
  expect(report.checks.find(({ id }) => id === 'no-orphans')).toMatchObject({
    outcome: 'fail',
    detail: expect.stringMatching(/left 1 process behind: sleep/),
  });
  expect(await commandLines()).not.toContain(`sleep ${nap}`);
});

test('I7 an agent that does not end is examined for what it leaves behind all the same', async () => {
  const script = path.join(stores, 'stubborn.sh');
  const nap = `986.${process.pid}${Math.random().toString().slice(2, 8)}`;
  // Neither end of input nor SIGTERM ends either of the two.
  await writeFile(
    script,
    `trap '' TERM\nsetsid sleep ${nap} >/dev/null 2>&1 </dev/null &\nexec "${process.execPath}" "${AGENT}" --variant stubborn --pace 0\n`,
  );
  const report = await runDoctor({ command: 'sh', args: [script], prompt: false, protocol: 'v1' });
  expect(report.checks.find(({ id }) => id === 'clean-exit')).toMatchObject({
    outcome: 'fail',
    detail: expect.stringContaining('in spite of SIGTERM'),
  });
  expect(report.checks.find(({ id }) => id === 'no-orphans')).toMatchObject({
    outcome: 'fail',
    detail: expect.stringMatching(/left 1 process behind: sleep/),
  });
  expect(await commandLines()).not.toContain(`sleep ${nap}`);
});

test('I7 what an agent starts in a turn is found, too', async () => {
  const nap = `985.${process.pid}${Math.random().toString().slice(2, 8)}`;
  const report = await odd('starts-helper', {}, nap);
  expect(failures(report)).toEqual(['no-orphans']);
  expect(found(report, 'no-orphans')?.detail).toMatch(/left 2 processes behind: .*sleep/);
  expect(await commandLines()).not.toContain(`sleep ${nap}`);
});

/** A process that ends after its answer has ended by then, on a busy machine too. */
const UNHURRIED = 3_000;

describe('a process that ends or goes silent between two prompts is told as that', () => {
  test.concurrent.each([
    ['dies-between', /died of SIGSEGV \(it wrote “the model went away”\) before it was asked session\/prompt/],
    ['leaves-between', /exited with code 0 without being asked before it was asked session\/prompt/],
    ['answers-once', /did not answer session\/prompt within/],
  ] as const)('%s', { timeout: 300_000 }, async (kind, words) => {
    const report = await odd(kind, { timeoutMs: 4_000, quietMs: UNHURRIED });
    expect(found(report, 'prompt')).toMatchObject({ outcome: 'fail', breaksProtocol: true, detail: expect.stringMatching(words) });
    expect(failures(report)).toEqual(kind === 'answers-once' ? ['prompt'] : ['prompt', 'clean-exit']);
    expect(report.verdict).toMatchObject({ tier: 'load', untried: expect.stringMatching(words) });
    expect(report.verdict.summary).toMatch(words);
    // It broke the protocol.
    expect(doctorExit(report, 'load')).toBe(1);
    // What follows in that process was not tried, and why is said as it was.
    if (kind !== 'answers-once') expect(found(report, 'never-prompted')?.detail).toMatch(/^It (died|exited).* before this could be tried/);
  });

  test.concurrent('dies-later', { timeout: 300_000 }, async () => {
    const report = await odd('dies-later', { quietMs: UNHURRIED });
    expect(failures(report)).toEqual(['clean-exit']);
    expect(found(report, 'clean-exit')?.detail).toMatch(/ended by itself, with its input open: it died of SIGSEGV.*after session\/prompt/);
  });
});

test.concurrent('an agent that knows in each session what any was told shows nothing by knowing it', async () => {
  const report = await odd('knows-everywhere');
  const words = 'a new session knows the codeword, too';
  expect(found(report, 'kill-and-load')).toMatchObject({ outcome: 'pass', detail: expect.stringContaining(words) });
  expect(report.verdict).toMatchObject({ tier: 'load', untried: words });
});

test.concurrent('a capability that no client reads is named', async () => {
  const report = await odd('offers-yes');
  expect(found(report, 'initialize')).toMatchObject({ outcome: 'fail', detail: expect.stringContaining('loadSession as "yes"') });
  expect(report.verdict.tier).toBe('transcript');
});

test.concurrent('an agent that comes back and dies of the question has not forgotten', async () => {
  const report = await odd('dies-brought-back');
  const words = /asked for the codeword, it died of SIGSEGV \(it wrote “no memory left”\) before it answered session\/prompt/;
  expect(found(report, 'kill-and-load')).toMatchObject({ outcome: 'fail', detail: expect.stringMatching(words) });
  expect(found(report, 'preamble-inline')?.detail).toContain('Whether it is kept was not seen');
  expect(report.verdict).toMatchObject({ tier: 'load', untried: expect.stringMatching(words) });
  expect(JSON.stringify(report)).not.toMatch(/forgotten|is gone after/);
});

test.concurrent.each([
  ['writes-nan', 'it holds NaN, which JSON does not have'],
  ['writes-two', 'there are two in one line'],
  ['writes-behind', 'such as this after session/prompt: “Turn over.”'],
])('what is no ACP on stdout is found in every phase: %s', async (kind, words) => {
  const report = await odd(kind);
  expect(found(report, 'initialize')).toMatchObject({
    outcome: 'fail',
    breaksProtocol: true,
    detail: expect.stringMatching(/Not all it writes on stdout is ACP: something else came \d+ times?/),
  });
  expect(found(report, 'initialize')?.detail).toContain(words);
  // Each of its messages was lost, or none.
  expect(found(report, 'prompt')?.outcome).toBe(kind === 'writes-behind' ? 'pass' : 'fail');
});

test.concurrent('a prompt that asks for an answer wants one, and a stop reason of ACP’s', async () => {
  const silent = await odd('says-nothing');
  expect(found(silent, 'prompt')).toMatchObject({
    outcome: 'fail',
    detail: expect.stringContaining('although it was asked for an answer'),
  });
  expect(silent.verdict.untried).toContain('it answered without a word');
  expect(found(await odd('stops-oddly'), 'prompt')).toMatchObject({
    outcome: 'fail',
    breaksProtocol: true,
    detail: expect.stringContaining('the stop reason “error”, which ACP does not have'),
  });
  const empty = await odd('empty-answer', { protocol: 'v2' });
  expect(found(empty, 'prompt')?.detail).toBe('It answered session/prompt without a messageId: {}.');
});

test.concurrent('that a word was not known even before the kill is said, and no memory is claimed', async () => {
  const agent = [process.execPath, path.join(import.meta.dirname, 'odd-agent.fixture.mjs'), 'forgets-live', path.join(stores, 'live.json')];
  const args = [BIN, 'doctor', '--json', '--protocol', 'v1', '--expect', 'load', '--', ...agent];
  const { stdout, stderr, code } = await new Promise<{ stdout: string; stderr: string; code: unknown }>((resolve) =>
    execFile(process.execPath, args, (error, stdout, stderr) => resolve({ stdout, stderr, code: error?.code ?? 0 })),
  );
  const report = JSON.parse(stdout) as DoctorReport;
  expect(found(report, 'prompt')).toMatchObject({ outcome: 'pass', detail: expect.stringContaining('it said “OK”') });
  const untried = 'asked for the codeword before it was killed, it said “OK”';
  expect([code, report.verdict]).toEqual([0, expect.objectContaining({ tier: 'load', untried })]);
  expect(stderr).toContain(`whether it remembers was not tried: ${untried}`);
  expect(['resume', 'transcript'].map((expected) => doctorExit(report, expected))).toEqual([1, 0]);
});

test.concurrent('what a replay adds to a message is said', async () => {
  const report = await odd('adds-banner');
  expect(failures(report)).toEqual([]);
  expect(found(report, 'replay-complete')?.detail).toMatch(/1 message came with more than was said \(“…Session restored at \d+\.”\)/);
});

test.concurrent('why there is no second session is said as it was', async () => {
  const refused = await odd('second-refused');
  expect(found(refused, 'never-prompted')).toMatchObject({ outcome: 'skip', detail: expect.stringContaining('“One session is enough”') });
  const hung = await odd('second-hangs', { timeoutMs: 4_000 });
  expect(found(hung, 'never-prompted')).toMatchObject({
    outcome: 'fail',
    detail: expect.stringContaining('did not answer session/new within'),
  });
});

const odd = (kind: string, options: Partial<DoctorOptions> = {}, ...more: string[]) => {
  const file = path.join(stores, `odd-${runs++}.json`);
  const args = [path.join(import.meta.dirname, 'odd-agent.fixture.mjs'), kind, file, ...more];
  return runDoctor({ command: process.execPath, args, graceMs: 10_000, clockMs: 0, ...options });
};
const found = ({ checks }: DoctorReport, id: CheckId) => checks.find((check) => check.id === id);

test.concurrent.each([
  ['drops-resource', 'preamble-resource', /reaches its model, but is gone after kill -9 and session\/load.*I do not know/],
  ['drops-inline', 'preamble-inline', /reaches its model, but is gone after kill -9 and session\/load.*I do not know/],
  ['ignores-resource', 'preamble-resource', /did not reach its model.*I do not know/],
] as const)('I4 whether what our fallback gives is kept: %s', async (kind, check, words) => {
  const report = await odd(kind);
  expect(found(report, check)).toMatchObject({ outcome: 'fail', detail: expect.stringMatching(words) });
  const other = check === 'preamble-inline' ? 'preamble-resource' : 'preamble-inline';
  // All text in front is gone where inline is: the introduction of a resource too, but not what it introduces.
  if (kind !== 'drops-inline') expect(found(report, other)?.outcome).toBe('pass');
  expect(report.verdict.tier).toBe('load');
});

test.concurrent('what one that forgot was asked is not missed in its replay', async () => {
  expect(failures(await odd('forgets-on-resume'))).toEqual(['kill-and-resume', 'unknown-session-resume']);
});

test.concurrent('a session that is resumed and not listed is not believed, as by a host', async () => {
  const report = await odd('unlisted');
  expect(failures(report)).toEqual(['list', 'kill-and-resume']);
  expect(found(report, 'kill-and-resume')?.detail).toContain('its own list does not show the session, so a client does not believe it');
  expect(report.verdict.tier).toBe('load');
});

test.concurrent('what names another session is dropped, as by a host', async () => {
  const replays = await odd('replays-elsewhere');
  expect(replays.verdict.tier).toBe('transcript');
  expect(failures(replays)).toEqual(['kill-and-load', 'replay-complete']);
  expect(found(replays, 'replay-complete')?.detail).toContain('named another session (“zzz”)');
  expect(found(replays, 'replay-before-response')?.outcome).toBe('skip');
  const answers = await odd('answers-elsewhere');
  expect(found(answers, 'prompt')).toMatchObject({ outcome: 'fail', detail: expect.stringContaining('named another session (“zzz”)') });
  // What names none is of the session that is there.
  expect(failures(await odd('unnamed'))).toEqual([]);
});

test.concurrent('I4 what is kept is said with its evidence', async () => {
  const report = await reportOf('native');
  expect(found(report, 'preamble-inline')).toMatchObject({
    outcome: 'pass',
    detail: expect.stringContaining('is still there after kill -9 and session/resume'),
  });
  expect(found(await reportOf('no-embedded'), 'preamble-resource')).toMatchObject({
    outcome: 'skip',
    detail: expect.stringContaining('embeddedContext'),
  });
});

test.concurrent('a process is asked for what it advertises itself', async () => {
  const report = await odd('flips');
  expect(failures(report)).toEqual(['initialize', 'kill-and-resume']);
  expect(found(report, 'initialize')?.detail).toContain(
    'changes from start to start: first resume, load, then none of resume, load and list',
  );
  expect(found(report, 'kill-and-resume')?.detail).toContain('did not advertise session/resume, which it had advertised before');
  expect(report.verdict).toMatchObject({ tier: 'transcript', summary: expect.stringContaining('cannot bring sessions back itself') });
});

test.concurrent('sessions that are named alike are a failure of their own, and nothing is said of the clock', async () => {
  const same = await odd('same-ids');
  expect(found(same, 'session-ids')).toMatchObject({ outcome: 'fail', breaksProtocol: true, detail: expect.stringContaining('“odd-1”') });
  expect(same.verdict.tier).not.toBe('load');
  expect(JSON.stringify(same.checks)).not.toContain('clock minute');
  expect(failures(await odd('ids-anew'))).toContain('session-ids');
});

test.concurrent('a session that a resume spoilt is not said to be lost by the clock', async () => {
  const report = await odd('empties-on-resume');
  expect(failures(report)).toEqual(['kill-and-resume', 'kill-and-load']);
  expect(found(report, 'kill-and-load')?.detail).toContain(
    'was taken up with session/resume before; another one, which was not, came back',
  );
  expect(report.verdict.summary).toContain('has forgotten it');
});

test.concurrent('a process that ends before it is asked is not said to have been asked', async () => {
  const report = await odd('fails-second');
  // The second process is asked for what only a resume could bring back; this agent has none.
  expect(found(report, 'kill-and-resume')?.detail).toMatch(/^Started again, it exited with code 7/);
  expect(found(report, 'resume-silent')?.detail).toBe('See “kill-and-resume”.');
});

test.concurrent('an agent that removes the directory that it was started in is told as that', async () => {
  const report = await odd('removes-cwd');
  const detail = 'It removed the directory that it was started in, so a client cannot start it there again.';
  expect(found(report, 'clean-exit')).toMatchObject({ outcome: 'fail', detail });
});

test.concurrent('what an agent answered instead is said as it was', async () => {
  const numbered = await odd('names-a-number');
  expect(found(numbered, 'new')?.detail).toMatch(/a sessionId that is not a string.*: 42\.$/);
  const claims = await odd('claims-2', { protocol: 'v1' });
  expect(found(claims, 'initialize')).toMatchObject({ outcome: 'fail', detail: expect.stringContaining('protocolVersion 2') });
  expect(claims.protocolVersion).toBe(1);
});

test.concurrent('I10: of an agent whose every word is long, a report has the beginnings', async () => {
  const report = await odd('is-long');
  expect(report.agent.name).toMatch(/^x{199}…$/);
  expect(report.capabilities).toEqual({ omitted: expect.stringMatching(/^\d{6} characters$/) });
  expect(found(report, 'initialize')?.detail).toMatch(/Not all it writes on stdout is ACP: something else came \d+ times.*“x{199}…”/);
  expect(found(report, 'kill-and-load')?.outcome).toBe('pass');
  expect(JSON.stringify(report).length).toBeLessThan(40_000);
});

test.concurrent('the sessions of an examination are deleted where the agent can', async () => {
  const file = path.join(stores, 'deletes.json');
  const args = [path.join(import.meta.dirname, 'odd-agent.fixture.mjs'), 'deletes', file];
  const report = await runDoctor({ command: process.execPath, args, graceMs: 10_000, clockMs: 0, protocol: 'v1' });
  expect(failures(report)).toEqual([]);
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({});
});

test('an agent whose store works by the clock gets the same verdict whenever it is asked', async () => {
  // Two hours are one unit, as fast as it goes; a tenth of a second is many.
  const slow = await odd('by-the-clock', { clockMs: 5_000 }, '5000');
  const fast = await odd('by-the-clock', {}, '1');
  expect([slow.verdict.tier, fast.verdict.tier]).toEqual(['load', 'load']);
  const { outcome, detail } = found(slow, 'kill-and-load') ?? {};
  // Where the clock struck meanwhile there is nothing to see.
  if (outcome === 'fail') expect(detail).toContain('in the clock minute in which it was made or last used');
});

test('an agent that wants somebody to sign in is examined once a method is named', async () => {
  const closed = await reportOf('auth');
  expect(closed.checks.filter(({ detail }) => detail.includes('--auth'))).toHaveLength(1);
  expect((await examine('auth', { auth: 'demo' })).verdict.tier).toBe('resume');
});

test('an agent of another version of ACP breaks nothing by saying so', async () => {
  const speaksThree = `require('node:readline').createInterface({ input: process.stdin }).on('line', (line) =>
    console.log(JSON.stringify({ jsonrpc: '2.0', id: JSON.parse(line).id, result: { protocolVersion: 3 } })))`;
  const report = await runDoctor({ command: process.execPath, args: ['-e', speaksThree] });
  expect(report.checks[0]).toMatchObject({ id: 'initialize', outcome: 'skip', detail: expect.stringContaining('ACP version 3') });
  expect(report.verdict).toMatchObject({ tier: null, breaksProtocol: false });
});

describe('each version of ACP that an agent speaks is examined', () => {
  const speaks: readonly [
    AgentVariant,
    protocol: DoctorOptions['protocol'],
    versions: readonly (number | undefined | null)[],
    tier: string | null,
  ][] = [
    ['native', undefined, [1, 2], 'resume'],
    ['v1-only', undefined, [1, undefined], 'resume'],
    ['v1-only', 'newest', [1, undefined], 'resume'],
    ['v1-only', 'v2', [null, undefined], null],
    ['v2-only', undefined, [2, undefined], 'resume'],
    ['v2-only', 'v1', [null, undefined], null],
    ['v2-in-name', undefined, [1, undefined], 'resume'],
    ['v2-refused', undefined, [1, undefined], 'resume'],
    ['v2-no-stop-reason', 'v2', [2, undefined], 'resume'],
    ['v2-late-snapshot', 'v2', [2, undefined], 'resume'],
    ['garbage-only', undefined, [null, undefined], null],
  ];
  test.concurrent.each(speaks)('%s, asked for %s: %j', { timeout: 600_000 }, async (variant, protocol, versions, tier) => {
    const report = await examine(variant, { protocol, ...(variant === 'garbage-only' ? { timeoutMs: 5_000 } : {}) });
    expect([report.protocolVersion, report.v2?.protocolVersion]).toEqual(versions);
    expect(report.verdict).toMatchObject({ tier, breaksProtocol: variant === 'garbage-only' });
    if (tier) expect(failures(report)).toEqual(variant === 'v2-in-name' ? ['initialize'] : []);
    else expect(report.checks[0]).toMatchObject({ id: 'initialize', outcome: variant === 'garbage-only' ? 'fail' : 'skip' });
    if (report.v2) expect(report.v2).toMatchObject({ differs: [], verdict: { tier, breaksProtocol: false } });
  });

  /** An agent without `session/resume` is none of version 2. */
  const NO_RESUME: readonly CheckId[] = ['kill-and-resume', 'unknown-session-resume', 'never-prompted'];
  /** What is wrong in version 2 of agents that are wrong in version 1. */
  const WRONG: Partial<Record<AgentVariant, Expected>> = {
    forgetful: { tier: 'transcript', fails: LOST },
    late: { tier: 'load', fails: [...NO_RESUME, 'replay-before-response'], breaksProtocol: true },
    'duplicate-replay': { tier: 'load', fails: NO_RESUME, breaksProtocol: true },
    busy: { tier: null, fails: [...LOST, 'unknown-session-load', 'unknown-session-resume', 'never-prompted'] },
    auth: { tier: null },
    garbage: { tier: 'resume', fails: ['initialize'], breaksProtocol: true },
    'hang-prompt': { tier: 'resume', fails: ['prompt'], breaksProtocol: true, timeoutMs: 20_000 },
  };
  test.concurrent.each(Object.entries(WRONG) as [AgentVariant, Expected][])(
    'in version 2: %s',
    { timeout: 600_000 },
    async (variant, { tier, fails = [], breaksProtocol = false, timeoutMs = 30_000 }) => {
      const report = await examine(variant, { protocol: 'v2', timeoutMs });
      expect(failures(report), JSON.stringify(report.checks.filter(({ outcome }) => outcome === 'fail'))).toEqual(
        CHECK_IDS.filter((id) => fails.includes(id)),
      );
      expect(report).toMatchObject({ protocolVersion: 2, verdict: { tier, breaksProtocol } });
    },
  );

  test('what differs is said, once', { timeout: 600_000 }, async () => {
    const notices: string[] = [];
    const report = await examine('load', { protocol: undefined, onNotice: (text) => notices.push(text) });
    expect(notices).toEqual([expect.stringContaining('up to ten short prompts'), expect.stringContaining('The agent speaks ACP 2, too')]);
    expect([report.verdict.tier, report.v2?.verdict.tier]).toEqual(['load', 'load']);
    expect(report.v2?.differs).toEqual(NO_RESUME);
    const text = renderDoctor(report);
    expect(text).toMatch(/^scripted-load [\d.]+, ACP 1 and 2\nACP 1: .*session\/load\.\nACP 2: .*session\/resume with replayFrom\.\n/);
    expect(text).toMatch(/\nTo improve .*\n\* kill-and-resume, in ACP 2\n/);
    expect(text).toMatch(
      /\nDifferent in ACP 2:\nFAIL {2}kill-and-resume .*\nFAIL {2}unknown-session-resume .*\nFAIL {2}never-prompted .*\n$/,
    );
    expect(renderDoctor({ ...report, v2: { ...report.v2!, differs: [] } })).toContain('All results are the same in ACP 2.');
  });
});

test.concurrent('of an agent that crashed in its prompt it is not said that none was sent', async () => {
  expect(found(await reportOf('crash-prompt'), 'kill-and-resume')?.detail).toMatch(
    /told the codeword, it exited with code 3 \(it wrote “crashed in prompt”\) before it answered session\/prompt/,
  );
});

test('an agent that cannot be started is an error, and so is being told to stop', async () => {
  await expect(runDoctor({ command: path.join(stores, 'no-such-agent'), args: [] })).rejects.toMatchObject({
    code: 'agent_start_failed',
    message: expect.stringContaining("The agent 'no-such-agent' could not be started"),
  });
  const ending = new AbortController();
  const up = path.join(stores, 'up');
  const running = runDoctor({ command: 'sh', args: ['-c', `: >'${up}'; exec cat >/dev/null`], signal: ending.signal, prompt: false });
  const told = expect(running).rejects.toThrow('enough');
  // It is there, and never answers.
  await expect.poll(() => existsSync(up)).toBe(true);
  ending.abort(new Error('enough'));
  await told;
});

function commandLines(): Promise<string> {
  return new Promise((resolve, reject) =>
    execFile('ps', ['-A', '-o', 'args='], (error, stdout) => (error ? reject(error) : resolve(stdout))),
  );
}
