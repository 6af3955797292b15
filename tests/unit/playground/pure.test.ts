/** The playground's decisions, each a table of cases. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FRAME_LIMIT, FrameLog, filterFrames, wireRows } from '../../../playground/state/frames.ts';
import {
  INITIAL_MACHINE,
  reduceMachine,
  TOLD_MACHINE,
  toldMachine,
  type AgentStatus,
  type Machine,
  type MachineInput,
} from '../../../playground/state/machine.ts';
import {
  formatFragment,
  parseFragment,
  readMemory,
  writeMemory,
  type Memory,
  type StepProgress,
} from '../../../playground/state/visits.ts';
import { judge, observe } from '../../../playground/state/lesson.ts';
import { diffTable, type TableView } from '../../../playground/state/tables.ts';
import { momentsOf } from '../../../playground/state/timeline.ts';
import { scenarioNamed } from '../../../playground/scenarios/index.ts';
import type { Fact } from '../../../playground/scenarios/types.ts';
import { reportNotes, verdictOf, verdictWords, waysOf, type Told, type Verdict } from '../../../playground/state/words.ts';
import type { ResumeAttempt, ResumeReport, SessionEvent, Tier } from '../../../src/engine/types.ts';

describe('a link', () => {
  it.each([
    ['#v=1&scenario=native-resume&agent=native&step=2', { scenario: 'native-resume', agent: 'native', step: 2 }],
    ['#v=1&agent=bridge:mine', { agent: 'bridge:mine' }],
    ['#v=1&agent=unknown%3Aopencode', { agent: 'unknown:opencode' }],
    ['', {}],
    ['#_top', {}],
    ['#v=2&scenario=native-resume', { problem: expect.stringContaining('version 2') }],
    ['#scenario=native-resume', { problem: expect.stringContaining('no version') }],
    ['#v=1&scenario=../../x&agent=<b>&step=-1', { problem: expect.stringContaining('scenario and agent and step') }],
    ['#v=1&agent=native&step=1e3', { agent: 'native', problem: expect.stringContaining('step') }],
    ['#v=1&step=100', { problem: expect.stringContaining('step') }],
    ['#v=1&scenario=a&prompt=rm&token=x&url=ws://evil', { scenario: 'a' }],
  ])('%s gives only what a link may give', (hash, place) => {
    expect(parseFragment(hash)).toEqual(place);
  });

  it('comes back as it was written', () => {
    const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,30}$/);
    fc.assert(
      fc.property(name, name, fc.boolean(), fc.nat(99), (scenario, agent, bridged, step) => {
        const place = { scenario, agent: bridged ? `bridge:${agent}` : agent, step };
        expect(parseFragment(formatFragment(place))).toEqual(place);
      }),
    );
  });

  it('never throws, whatever it holds', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseFragment(text)));
  });
});

describe('the wire', () => {
  it('gives a response the method and the time of its request, by the side that asked', () => {
    const log = new FrameLog();
    log.add(1, 'to-agent', { jsonrpc: '2.0', id: 1, method: 'session/prompt', params: { prompt: [] } } as never, 100);
    log.add(1, 'from-agent', { jsonrpc: '2.0', id: 1, method: 'session/request_permission', params: {} } as never, 110);
    log.add(1, 'to-agent', { jsonrpc: '2.0', id: 1, result: {} } as never, 130);
    log.add(1, 'from-agent', { jsonrpc: '2.0', id: 1, result: { stopReason: 'end_turn' } } as never, 150);
    expect(log.frames.map(({ method, kind, ms }) => [method, kind, ms])).toEqual([
      ['session/prompt', 'request', undefined],
      ['session/request_permission', 'request', undefined],
      ['session/request_permission', 'response', 20],
      ['session/prompt', 'response', 50],
    ]);
  });

  it('keeps a bounded number of frames, the newest (I10)', () => {
    const log = new FrameLog();
    for (let i = 0; i < 5_000; i++) log.add(1, 'from-agent', { jsonrpc: '2.0', method: 'x' } as never, i);
    expect(log.frames.length).toBeLessThanOrEqual(1.25 * FRAME_LIMIT);
    expect(log.frames.at(-1)).toMatchObject({ at: 4_999, id: 5_000 });
  });

  it('draws many updates of one kind as one row, and everything else by itself', () => {
    const log = new FrameLog();
    const update = (sessionUpdate: string) =>
      log.add(1, 'from-agent', { jsonrpc: '2.0', method: 'session/update', params: { update: { sessionUpdate } } } as never, 0);
    log.add(1, 'to-agent', { jsonrpc: '2.0', id: 1, method: 'session/prompt' } as never, 0);
    update('plan');
    for (let i = 0; i < 9; i++) update('agent_message_chunk');
    update('plan');
    expect(wireRows(log.frames, 50).map(({ count, last }) => (count > 1 ? count : last.summary || last.method))).toEqual([
      'session/prompt',
      'plan',
      9,
      'plan',
    ]);
    expect(wireRows(log.frames, 2)).toHaveLength(2);
  });

  it('filters by words', () => {
    const log = new FrameLog();
    log.add(
      1,
      'to-agent',
      { jsonrpc: '2.0', id: 1, method: 'session/prompt', params: { prompt: [{ type: 'text', text: 'Ada' }] } } as never,
      0,
    );
    log.add(1, 'from-agent', { jsonrpc: '2.0', method: 'session/update', params: { update: { sessionUpdate: 'plan' } } } as never, 0);
    const count = (text: string) => filterFrames(log.frames, text).length;
    expect([count(''), count(' ADA '), count('session/update'), count('nothing')]).toEqual([2, 1, 1, 0]);
  });
});

describe('the machine', () => {
  const after = (...inputs: MachineInput[]): Machine => inputs.reduce(reduceMachine, INITIAL_MACHINE);
  const awake: MachineInput = { type: 'host', status: 'awake' };
  const launch: MachineInput = { type: 'launching', process: 1, agent: 'a' };
  const ask = (method: string, id = 1): MachineInput => ({
    type: 'frame',
    process: 1,
    agent: 'a',
    direction: 'to-agent',
    message: { jsonrpc: '2.0', id, method } as never,
  });
  const answer = (result: unknown, id = 1): MachineInput => ({
    type: 'frame',
    process: 1,
    agent: 'a',
    direction: 'from-agent',
    message: { jsonrpc: '2.0', id, result } as never,
  });
  const refuse = (id = 1): MachineInput => ({
    type: 'frame',
    process: 1,
    agent: 'a',
    direction: 'from-agent',
    message: { jsonrpc: '2.0', id, error: { code: -32002, message: 'gone' } } as never,
  });
  const idle: MachineInput = {
    type: 'frame',
    process: 1,
    agent: 'a',
    direction: 'from-agent',
    message: { jsonrpc: '2.0', method: 'session/update', params: { update: { sessionUpdate: 'state_update', state: 'idle' } } } as never,
  };
  const second: MachineInput = { type: 'launching', process: 2, agent: 'a' };
  const asked = ask('session/resume');
  const killed = { kind: 'killed', code: null, signal: 'SIGKILL' } as const;

  it.each<[string, MachineInput[], Machine['agent']]>([
    ['a host that just woke', [awake], 'asleep'],
    ['a launch', [awake, launch], 'starting'],
    ['initialize', [awake, launch, ask('initialize'), answer({})], 'starting'],
    ['session/resume', [awake, launch, ask('session/resume')], 'resuming'],
    ['session/load', [awake, launch, ask('session/load')], 'resuming'],
    ['a refused resume, then a new session', [awake, launch, ask('session/resume'), refuse(), ask('session/new', 2)], 'resuming'],
    ['a resumed session', [awake, launch, ask('session/resume'), answer({})], 'live'],
    ['a prompt', [awake, launch, ask('session/new'), answer({}), ask('session/prompt', 2)], 'prompting'],
    ['its end', [awake, launch, ask('session/prompt'), answer({ stopReason: 'end_turn' })], 'live'],
    ['a prompt that an agent of version 2 has inserted', [awake, launch, ask('session/prompt'), answer({ messageId: 'm' })], 'prompting'],
    ['its end in version 2', [awake, launch, ask('session/prompt'), answer({ messageId: 'm' }), idle], 'live'],
    [
      'an agent the host ended, by force too',
      [awake, launch, { type: 'exited', process: 1, agent: 'a', exit: killed, by: 'host' }],
      'asleep',
    ],
    ['an agent killed by a button', [awake, launch, { type: 'exited', process: 1, agent: 'a', exit: killed, by: 'button' }], 'dead'],
    [
      'an agent that quit by itself',
      [awake, launch, { type: 'exited', process: 1, agent: 'a', exit: { kind: 'quit', code: 0, signal: null }, by: 'itself' }],
      'dead',
    ],
    ['an agent that could not start', [awake, launch, { type: 'launch_failed', process: 1, agent: 'a', error: new Error('no') }], 'dead'],
    [
      'an end after Sleep',
      [awake, launch, { type: 'host', status: 'asleep' }, { type: 'exited', process: 1, agent: 'a', exit: killed, by: 'itself' }],
      'asleep',
    ],
    [
      'the end of an agent that was followed by another',
      [
        awake,
        launch,
        second,
        { ...asked, process: 2 } as MachineInput,
        { type: 'exited', process: 1, agent: 'a', exit: killed, by: 'itself' },
      ],
      'resuming',
    ],
    [
      'another that only says what it can do',
      [awake, launch, ask('session/new'), answer({}), second, { ...ask('initialize'), process: 2 } as MachineInput],
      'live',
    ],
  ])('after %s', (_what, inputs, status) => {
    expect(after(...inputs).agent).toBe(status);
  });

  it('marks what the agent does not offer, what it refused and what it never answered', () => {
    const none = after(awake, launch, ask('initialize'), answer({ agentCapabilities: { loadSession: true } }));
    expect(none.stations).toMatchObject({ initialize: 'ok', 'session/resume': 'absent', 'session/load': 'idle' });
    const lost = after(awake, launch, ask('session/load'), { type: 'exited', process: 1, agent: 'a', exit: killed, by: 'itself' });
    expect(lost.stations['session/load']).toBe('lost');
    expect(after(awake, launch, ask('session/load'), refuse()).stations['session/load']).toBe('refused');
    // A load that answered well, and a transcript all the same: the agent was not believed.
    const lied = after(awake, launch, ask('session/load'), answer({}), { type: 'came back', tier: 'transcript' });
    expect(lied.stations['session/load']).toBe('doubted');
    expect(after(awake, launch, ask('session/load'), answer({}), { type: 'came back', tier: 'load' }).stations['session/load']).toBe('ok');
  });
});

it('a claim that was not believed is no refusal, in the past either', () => {
  const report = { tier: 'transcript', attempts: [{ method: 'session/load', outcome: 'unproven' }] } as unknown as ResumeReport;
  const told = toldMachine(TOLD_MACHINE, { kind: 'resumed', payload: report } as unknown as SessionEvent);
  expect(told.stations).toMatchObject({ 'session/load': 'doubted', 'session/new': 'ok' });
});

describe('what a page keeps between visits', () => {
  const nothing = readMemory(null);
  it.each(['', 'nonsense', '[]', '{"scenario":"s"}', '{"version":0,"memory":{"scenario":"s"}}'])('%j is not of this page', (stored) => {
    expect(readMemory(stored)).toBe(nothing);
  });
  it('comes back as it was written', () => {
    const memory: Memory = {
      ...nothing,
      places: { '|s|a': { sessionId: 'x', progress: [{ state: 'done', why: '' }], policy: 'strict' } },
      failures: { '|x': [{ at: 1, code: 'agent_exited', message: 'It died.', attempts: [] }] },
      branches: [{ name: 'ada.sqlite', parent: '1', sessionId: null, agentSessionId: null, file: { name: 'ada.sqlite', sent: ['x'] } }],
      branch: '1',
    };
    expect(readMemory(writeMemory(memory))).toEqual(memory);
  });
});

describe('what changed in a table', () => {
  const view = (rows: TableView['rows'], name = 't'): TableView => ({
    name,
    columns: ['id', 'a', 'b'],
    keyColumns: ['id'],
    rows,
    total: rows.length,
  });
  it('marks new rows and changed columns, and nothing on the first look', () => {
    const before = view([
      { id: 1, a: 1, b: null },
      { id: 2, a: 1, b: null },
    ]);
    const after = view([
      { id: 1, a: 2, b: null },
      { id: 2, a: 1, b: null },
      { id: 3, a: 1, b: null },
    ]);
    expect([...diffTable(before, after).values()]).toEqual([new Set(['a']), 'new']);
    expect(diffTable(null, after).size).toBe(0);
    expect(diffTable(view([], 'other'), after).size).toBe(0);
  });
});

describe('the moments of a journal', () => {
  const commit = (n: number, ...notes: string[]) => ({ n, at: n, notes });
  it.each([
    [['schema'], 'the tables were made'],
    [['session_created', 'update'], 'a session was created'],
    [['turn_started', 'update'], 'a prompt was stored'],
    [['resumed', 'turn_started', 'update'], 'a prompt was stored, the session became live'],
    [['update'], 'the agent said something'],
    [['session deleted'], 'a session was deleted'],
    [['agent_exited'], 'the agent was put to sleep'],
    [['agent_died'], 'the agent died'],
    [[], null],
    [undefined, 'a change'],
  ])('tells a commit noted as %j by what it stored, and leaves out renewed leases', (notes, words) => {
    const moments = momentsOf({ base: { n: 0, at: 0 }, entries: [{ n: 1, at: 1, notes }] });
    expect(moments.map(({ label }) => label)).toEqual(words === null ? [] : [words]);
  });
  it('begins with the snapshot where older commits are gone', () => {
    const moments = momentsOf({ base: { n: 40, at: 1 }, entries: [commit(41, 'file_written')] });
    expect(moments.map(({ n, label }) => [n, label])).toEqual([
      [40, 'where the journal begins'],
      [41, 'a file was written'],
    ]);
    const wrote = (n: number) => commit(n, 'file_written');
    const known = momentsOf({ base: { n: 40, at: 1 }, entries: [wrote(41), wrote(42)] });
    // Read on from where it was, and from a beginning that moved.
    expect(momentsOf({ base: { n: 40, at: 1 }, entries: [wrote(43)] }, known).map(({ n }) => n)).toEqual([40, 41, 42, 43]);
    expect(momentsOf({ base: { n: 41, at: 2 }, entries: [wrote(43)] }, known).map(({ n, at }) => [n, at])).toEqual([
      [41, 2],
      [42, known[2]!.at],
      [43, wrote(43).at],
    ]);
    expect(momentsOf({ base: { n: 50, at: 3 }, entries: [] }, known).map(({ n }) => n)).toEqual([50]);
  });
});

describe('a step’s judgement', () => {
  const report = { tier: 'resume', verified: 'listed' } as ResumeReport;
  const said = { kind: 'send', what: '', report, reply: 'Your cat: Ada', error: null };
  it.each([
    [{ tier: 'resume', reply: 'ada' }, said, 'live', true],
    [{ tier: 'load' }, said, 'live', false],
    [{ verified: 'unverified' }, said, 'live', false],
    [{ reply: 'Argos' }, said, 'live', false],
    [{ status: 'dead' }, said, 'live', false],
    [{}, { ...said, error: { code: 'agent_exited', message: 'died' } }, 'dead', false],
    [{ error: ['agent_exited', 'agent_start_failed'] }, { ...said, error: { code: 'agent_exited', message: 'died' } }, 'dead', true],
    [{ error: 'agent_exited' }, said, 'live', false],
  ] as const)('%j', (expectation, what, status, ok) => {
    expect(judge(expectation as never, what as never, status) === null).toBe(ok);
  });
});

describe('the steps of a scenario', () => {
  const scenario = scenarioNamed('native-resume');
  const say = (text: string, tier: string, reply = ''): Fact => ({
    kind: 'send',
    what: text,
    report: { tier } as ResumeReport,
    reply,
    error: null,
  });
  const after = (facts: readonly (readonly [Fact, AgentStatus])[]) =>
    facts.reduce<readonly StepProgress[]>((progress, [fact, status]) => observe(scenario, progress, fact, status), []);
  const states = (progress: readonly StepProgress[]) => progress.map(({ state }) => state);
  const told = [say('My cat is called Ada.', 'new'), 'live'] as const;
  const slept = [{ kind: 'sleep' } as Fact, 'asleep'] as const;
  const asked = (tier: string, words = 'What is my cat called?') => [say(words, tier, 'Your cat: Ada.'), 'live'] as const;

  it.each<[string, Parameters<typeof after>[0], string[]]>([
    ['nothing that a step is about', [[say('hello', 'new'), 'live']], []],
    ['the first prompt', [told], ['done', 'waiting', 'waiting']],
    ['the same words, spelt otherwise', [[say('  my cat is called ADA', 'new'), 'live']], ['done', 'waiting', 'waiting']],
    [
      'the first prompt in a session that is live already',
      [[say('My cat is called Ada.', 'live'), 'live']],
      ['done', 'waiting', 'waiting'],
    ],
    ['a press of Sleep before its turn', [slept], []],
    ['all of it, by hand', [told, slept, asked('resume')], ['done', 'done', 'done']],
    ['another way to lose the agent', [told, [{ kind: 'kill' }, 'dead'], asked('resume')], ['done', 'skipped', 'done']],
    ['a question to an agent that lives again', [told, slept, asked('live')], ['done', 'waiting', 'waiting']],
    ['that, and what is to be done again', [told, slept, asked('live'), slept, asked('resume')], ['done', 'done', 'done']],
    ['an agent that comes back otherwise', [told, slept, asked('transcript')], ['done', 'done', 'differs']],
  ])('after %s', (_what, facts, expected) => {
    expect(states(after(facts))).toEqual(expected);
  });

  it('a prompt that failed can be done again', () => {
    const failed: Fact = {
      kind: 'send',
      what: 'My cat is called Ada.',
      report: null,
      reply: '',
      error: { code: 'agent_exited', message: 'It died.' },
    };
    expect(after([[failed, 'dead']])[0]).toEqual({ state: 'failed', why: 'It died.' });
    expect(states(after([[failed, 'dead'], told]))).toEqual(['done', 'waiting', 'waiting']);
  });
});

describe('the verdict of a resume', () => {
  const native = (method: 'session/resume' | 'session/load', outcome = 'ok') => ({ method, outcome, evidence: '', ms: 1 }) as ResumeAttempt;
  const came = (tier: Tier, verified: string | null, ...attempts: ResumeAttempt[]): Told => ({
    at: 1,
    seq: 1,
    report: { tier, verified, attempts } as unknown as ResumeReport,
  });
  const failed = (...attempts: ResumeAttempt[]): Told => ({ at: 1, code: 'resume_indeterminate', message: 'No.', attempts });
  it.each<[string, Told, Verdict]>([
    ['a session that is new', came('new', null), 'not asked'],
    ['a resume that its list proves', came('resume', 'listed', native('session/resume')), 'proved'],
    ['a resume that nothing proves', came('resume', 'unverified', native('session/resume')), 'claimed'],
    ['a replay that is whole', came('load', 'replay-matched', native('session/load')), 'proved'],
    ['a replay of a part', came('load', 'replay-partial', native('session/load')), 'claimed'],
    ['a transcript after a refusal', came('transcript', null, native('session/load', 'unknown_session')), 'refused'],
    ['a transcript because there is no other way', came('transcript', null), 'not asked'],
    ['a failure after a refusal', failed(native('session/resume', 'indeterminate')), 'refused'],
    ['a failure before anything was asked', failed(), 'not asked'],
  ])('%s is %s', (_what, told, verdict) => {
    expect(verdictOf(told)).toBe(verdict);
    expect(verdictWords(told)).not.toBe('');
  });
  it('says of each of the agent’s ways whether it was asked', () => {
    const lied = came('transcript', null, native('session/load'));
    expect(waysOf(lied).map(({ method, words, good }) => [method, words, good])).toEqual([
      ['session/load', 'claimed success, and was not believed', false],
      ['session/resume', 'not asked', false],
    ]);
  });
});

describe('a report in words', () => {
  it('says what was checked, what was sent along and what could not be set', () => {
    const report: ResumeReport = {
      tier: 'transcript',
      attempts: [],
      verified: 'replay-empty',
      replay: { received: 3, matched: 1, missing: 2, imported: 1 },
      preamble: { mode: 'resource', bytes: 2_048, events: 8, truncated: true },
      settings: { restored: ['mode'], failed: [{ id: 'model', reason: 'unknown value' }] },
      agentSessionId: 'b',
      previousAgentSessionId: 'a',
      ms: 5,
      agentMs: 4,
    };
    expect(reportNotes(report).join('\n')).toBe(
      [
        'Replay: 3 messages received, 1 message matched, 2 missing, 1 imported from another client.',
        'Preamble: 2.0 KiB covering 8 events, sent once as an embedded resource; the oldest part did not fit.',
        'Set again: mode.',
        'Could not set model again: unknown value',
        'The agent’s own session id changed. Your session’s id did not.',
      ].join('\n'),
    );
  });
});
