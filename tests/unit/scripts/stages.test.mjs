import { describe, expect, test } from 'vitest';
import { closingLine, playwrightReport, settle, sum, vitestReport } from '../../../scripts/test.mjs';

describe('nothing that went wrong looks like success', () => {
  const counts = (passed, failed, skipped = 0) => ({ passed, failed, skipped });
  const report = (passed, failed, skipped = 0) => ({ passed, skipped, failures: Array(failed).fill({ name: 'x', why: 'y' }) });
  test.each([
    ['all passed', 0, report(3, 0), counts(3, 0)],
    ['some failed', 1, report(3, 2), counts(3, 2)],
    ['the runner failed though no test did', 1, report(3, 0), counts(3, 1)],
    ['the runner left no report', 0, null, counts(0, 1)],
    ['no test ran', 0, report(0, 0, 4), counts(0, 1, 4)],
  ])('%s', (_what, code, told, expected) => {
    expect(settle(code, told)).toEqual(expected);
  });

  test('a test file that could not be loaded is a failure', () => {
    const vitests = {
      numPassedTests: 1,
      numPendingTests: 0,
      numTodoTests: 0,
      testResults: [
        { status: 'passed', assertionResults: [{ status: 'passed' }] },
        { name: 'x.test.ts', status: 'failed', message: 'no', assertionResults: [] },
      ],
    };
    expect(settle(1, vitestReport(vitests))).toEqual(counts(1, 1));
  });

  test('a server that did not start is a failure of the browser tests', () => {
    const playwrights = { stats: { expected: 0, flaky: 0, skipped: 2 }, errors: [{ message: 'no server' }] };
    expect(settle(1, playwrightReport(playwrights))).toEqual(counts(0, 1, 2));
  });

  test('a browser test that needed its second run has passed, and one that failed twice has not', () => {
    const specs = ['flaky', 'flaky', 'unexpected'].map((status) => ({ tests: [{ status, results: [] }] }));
    const playwrights = { stats: { expected: 3, flaky: 2, skipped: 0 }, suites: [{ specs }], errors: [] };
    expect(settle(1, playwrightReport(playwrights))).toEqual(counts(5, 1));
  });

  test('what failed is told by name at the end, also what could not be loaded or needed a second run', () => {
    expect(
      vitestReport({
        testResults: [
          {
            name: 'a.test.ts',
            status: 'failed',
            message: '',
            assertionResults: [{ status: 'failed', fullName: 'I3 x', failureMessages: ['one', 'two'] }],
          },
          { name: 'b.test.ts', status: 'failed', message: 'no such module', assertionResults: [] },
          {
            name: 'c.test.ts',
            status: 'passed',
            message: '',
            assertionResults: [
              { status: 'passed', fullName: 'y', failureMessages: [] },
              { status: 'passed', fullName: 'z', failureMessages: ['late'] },
            ],
          },
        ],
      }).failures,
    ).toEqual([
      { name: 'a.test.ts > I3 x', why: 'one\ntwo' },
      { name: 'b.test.ts', why: 'no such module' },
      { name: 'c.test.ts > z (passed at its second run)', why: 'late' },
    ]);
    const spec = (title, status, results) => ({ file: 'p.spec.ts', line: 7, title, tests: [{ status, results }] });
    const wrong = { errors: [{ message: 'not there' }] };
    expect(
      playwrightReport({
        stats: {},
        errors: [{ message: 'no server' }],
        suites: [
          {
            specs: [spec('fine', 'expected', [{}])],
            suites: [{ specs: [spec('wrong', 'unexpected', [wrong]), spec('late', 'flaky', [wrong, {}])] }],
          },
        ],
      }).failures,
    ).toEqual([
      { name: 'outside of tests', why: 'no server' },
      { name: 'p.spec.ts:7 > wrong', why: 'not there' },
      { name: 'p.spec.ts:7 > late (passed at its second run)', why: 'not there' },
    ]);
  });

  test('the last line is counts alone', () => {
    expect(closingLine(sum([counts(1, 0), counts(2, 1)]))).toBe('3 passed, 1 failed');
    expect(closingLine(counts(1, 0, 2))).toBe('1 passed, 0 failed, 2 skipped');
  });
});
