/** How many tests passed and failed, out of what the runners wrote down. */

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

export const NONE = Object.freeze({ passed: 0, failed: 0, skipped: 0 });

/** @param {Counts[]} all @returns {Counts} */
export const sum = (all) =>
  all.reduce((a, b) => ({ passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped }), NONE);

/**
 * Vitest's JSON report. A file that could not even be loaded has no tests in it and counts as one failure.
 * @returns {Counts}
 */
export function vitestCounts(report) {
  const broken = (report.testResults ?? []).filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  return {
    passed: report.numPassedTests ?? 0,
    failed: (report.numFailedTests ?? 0) + broken.length,
    skipped: (report.numPendingTests ?? 0) + (report.numTodoTests ?? 0),
  };
}

/**
 * Playwright's JSON report; errors outside tests (a server that did not start) count as failures. One that passed at its
 * second run has passed: the list of the run names it as flaky.
 * @returns {Counts}
 */
export function playwrightCounts(report) {
  const { expected = 0, unexpected = 0, flaky = 0, skipped = 0 } = report.stats ?? {};
  return { passed: expected + flaky, failed: unexpected + (report.errors ?? []).length, skipped };
}

/**
 * A runner that says it failed has at least one failure, and one that left no report ran nothing: neither may
 * look like success.
 *
 * @param {{ code: number, counts: Counts | null }} outcome
 * @returns {Counts}
 */
export function settle({ code, counts }) {
  if (!counts) return { passed: 0, failed: 1, skipped: 0 };
  if (code !== 0 && counts.failed === 0) return { ...counts, failed: 1 };
  if (code === 0 && counts.passed === 0 && counts.failed === 0) return { ...counts, failed: 1 };
  return counts;
}

/** The last line of the test command. */
export const closingLine = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
