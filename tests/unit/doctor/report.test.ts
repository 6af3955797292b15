import { describe, expect, test } from 'vitest';
import { doctorExit } from '../../../src/cli/commands/doctor.ts';
import { STEPS } from '../../../src/cli/doctor/doctor.ts';
import {
  breach,
  CHECK_IDS,
  checksOf,
  fail,
  pass,
  record,
  renderDoctor,
  skip,
  type Examined,
  type Found,
} from '../../../src/cli/doctor/report.ts';
import { wrap } from '../../../src/cli/table.ts';

describe('the exit code', () => {
  const passed = [{ id: 'initialize', outcome: 'pass', detail: '', ms: 0, help: '' }] as const;
  test.each([
    ['resume', undefined, 0],
    [null, undefined, 0],
    ['resume', 'resume', 0],
    ['resume', 'load', 0],
    ['load', 'load', 0],
    ['load', 'resume', 1],
    ['transcript', 'load', 1],
    ['transcript', 'transcript', 0],
    [null, 'transcript', 1],
  ] as const)('of a verdict %s where %s is expected: %i', (tier, expected, code) => {
    const verdict = { tier, summary: '', unknownSession: { load: null, resume: null }, breaksProtocol: false };
    const of = (changes: Partial<Examined>): Examined => ({ protocolVersion: 1, capabilities: {}, verdict, checks: passed, ...changes });
    expect(doctorExit(of({}), expected)).toBe(code);
    const bad = [of({ verdict: { ...verdict, breaksProtocol: true } }), of({ checks: [{ ...passed[0], outcome: 'fail' }] })];
    for (const one of bad) {
      expect(doctorExit(one, expected)).toBe(1);
      expect(doctorExit({ ...of({}), v2: { ...one, differs: [] } }, expected)).toBe(1);
    }
    const best = of({ verdict: { ...verdict, tier: 'resume' } });
    expect(doctorExit({ ...best, v2: { ...of({}), differs: [] } }, expected)).toBe(code);
  });

  test('of a tier whose memory could not be tried is that of the tier', () => {
    const verdict = {
      tier: 'load',
      summary: '',
      untried: 'it died',
      unknownSession: { load: null, resume: null },
      breaksProtocol: false,
    } as const;
    const report: Examined = { protocolVersion: 1, capabilities: {}, verdict, checks: passed };
    expect(['resume', 'load', 'transcript', undefined].map((expected) => doctorExit(report, expected))).toEqual([1, 0, 0, 0]);
  });
});

describe('the report', () => {
  test('a second failure of a check stands beside the first, once, and a broken rule stays one', () => {
    const found: Found = { initialize: fail('It changes.') };
    for (const _ of [1, 2]) record(found, { initialize: breach('It prints rubbish.') });
    expect(found.initialize).toMatchObject({ outcome: 'fail', breaksProtocol: true, detail: 'It changes. It prints rubbish.' });
  });

  test('a failure found later takes a pass back, nothing takes a failure back, and a skip nothing at all', () => {
    const found: Found = {};
    for (const [initialize, detail] of [
      [skip('not yet'), 'not yet'],
      [pass('good'), 'good'],
      [skip('not again'), 'good'],
      [pass('better'), 'better'],
      [fail('prints rubbish'), 'prints rubbish'],
      [pass('good again'), 'prints rubbish'],
    ] as const) {
      record(found, { initialize });
      expect(found.initialize?.detail).toBe(detail);
    }
    expect(checksOf(found, 'not reached').map(({ id, outcome }) => [id, outcome])).toEqual(
      CHECK_IDS.map((id) => [id, id === 'initialize' ? 'fail' : 'skip']),
    );
  });

  test('each check has a step that tries it', () => {
    const tried = STEPS.flatMap(({ checks }) => checks);
    expect(CHECK_IDS.filter((id) => !tried.includes(id))).toEqual(['initialize']);
  });

  test('lines are cut at spaces', () => {
    expect(wrap('one two three averyverylongword four', 9)).toEqual(['one two', 'three', 'averyverylongword', 'four']);
  });

  test('what holds for several checks is said once', () => {
    const verdict = { tier: null, summary: 'Nothing.', unknownSession: { load: null, resume: null }, breaksProtocol: false };
    const checks = checksOf({ new: skip('It wants you to sign in first.') }, 'There is no session.');
    const report = { agent: { command: 'a', name: null, version: null }, protocolVersion: 1, capabilities: null, checks, verdict };
    const text = renderDoctor(report);
    expect(text.match(/sign in first/g)).toHaveLength(1);
    expect(text.match(/There is no session/g)).toHaveLength(1);
    for (const id of CHECK_IDS) expect(text).toContain(id);
    // A terminal that does not know its width.
    expect(renderDoctor(report, 0)).toBe(text);
  });

  test('what an agent wrote cannot drive the terminal', () => {
    const verdict = { tier: null, summary: 'Nothing.', unknownSession: { load: null, resume: null }, breaksProtocol: true };
    const text = renderDoctor({
      agent: { command: 'a', name: '\u001b[31mred', version: null },
      protocolVersion: null,
      capabilities: null,
      checks: checksOf({ initialize: fail('It said “\u001b]0;owned\u0007\u009b2J”.') }, 'x'),
      verdict,
    });
    // eslint-disable-next-line no-control-regex
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    expect(text).toContain('/guides/agent/#');
  });
});
