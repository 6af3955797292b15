import { describe, expect, test } from 'vitest';
import { benchRow } from '../../../scripts/bench.mjs';

describe('a benchmark’s row says whether its target was met', () => {
  test.each([
    [
      { ratio: 1.234, target: 1.5 },
      { figure: '1.23×', target: '≤ 1.5×', met: true },
    ],
    [
      { ratio: 1.6, target: 1.5 },
      { figure: '1.60×', target: '≤ 1.5×', met: false },
    ],
    [
      { ratio: 5, target: 4, bound: 'min' },
      { figure: '5×', target: '≥ 4×', met: true },
    ],
    [
      { ratio: 0.7, target: 0.8, bound: 'min' },
      { figure: '0.70×', target: '≥ 0.8×', met: false },
    ],
    [
      { value: 4.2, unit: 'ms', target: 5 },
      { figure: '4.20 ms', target: '≤ 5 ms', met: true },
    ],
    [
      { ratio: 1.3, target: '≤ 1.2' },
      { figure: '1.30×', target: '≤ 1.2', met: false },
    ],
    [
      { value: 2100, target: '≥ 1 000' },
      { figure: '2100', target: '≥ 1 000', met: true },
    ],
    [
      { value: '530 kB', target: '≤ 620 kB', met: true },
      { figure: '530 kB', target: '≤ 620 kB', met: true },
    ],
    [
      { value: 'none', target: '≤ 50 ms', met: false },
      { figure: 'none', target: '≤ 50 ms', met: false },
    ],
    [
      { ratio: 2, target: '–' },
      { figure: '2×', target: '–', met: null },
    ],
    [
      { value: 7, unit: 'ms' },
      { figure: '7 ms', target: '–', met: null },
    ],
  ])('%j', (result, row) => {
    expect(benchRow({ what: 'it', ...result })).toEqual({ what: 'it', ...row });
  });
});
