import { describe, expect, test } from 'vitest';
import { benchRow } from '../../../scripts/bench.mjs';

describe('a benchmark’s row says whether its target was met', () => {
  test.each([
    [{ ratio: 1.234, target: 1.5 }, '1.23×', '≤ 1.5×', true],
    [{ ratio: 1.6, target: 1.5 }, '1.60×', '≤ 1.5×', false],
    [{ ratio: 5, target: 4, bound: 'min' }, '5×', '≥ 4×', true],
    [{ ratio: 0.7, target: 0.8, bound: 'min' }, '0.70×', '≥ 0.8×', false],
    [{ value: 4.2, unit: 'ms', target: 5 }, '4.20 ms', '≤ 5 ms', true],
    [{ value: 2100, target: 1000, bound: 'min' }, '2100', '≥ 1000', true],
    [{ value: '530 kB', target: '≤ 620 kB', met: true }, '530 kB', '≤ 620 kB', true],
    [{ value: 'none', target: '≤ 50 ms', met: false }, 'none', '≤ 50 ms', false],
    [{ ratio: 2 }, '2×', '–', null],
    [{ value: 7, unit: 'ms' }, '7 ms', '–', null],
  ])('%j', (result, figure, target, met) => {
    expect(benchRow({ what: 'it', ...result })).toEqual({ what: 'it', figure, target, met });
  });
});
