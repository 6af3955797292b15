/** The figures of the page on scale come out of this; its bounds are those that can be worked out by hand. */
import { describe, expect, it } from 'vitest';
import { SCALE_INPUTS, awakeIntervals, simulateScale, turnsOfADay } from '../../../scripts/support/scale-model.mjs';

const measured = { turnBytes: 1_000, emptyBytes: 50_000, actorBytes: 1_000_000, runnerBytes: 0, agentBytes: 40_000_000 };
const run = (inputs, sleepAfterSeconds) => simulateScale({ ...SCALE_INPUTS, ...inputs }, measured, { sleepAfterSeconds, sample: 8_000 });

describe('when an actor is awake', () => {
  it.each([
    ['no turn', [], []],
    ['one turn', [[10, 20]], [[10, 50, 1]]],
    [
      'a pause shorter than the wait for sleep',
      [
        [10, 20],
        [45, 60],
      ],
      [[10, 90, 2]],
    ],
    [
      'a pause longer than it',
      [
        [10, 20],
        [51, 60],
      ],
      [
        [10, 50, 1],
        [51, 90, 1],
      ],
    ],
    [
      'two visits at once',
      [
        [10, 100],
        [20, 30],
      ],
      [[10, 130, 2]],
    ],
  ])('%s', (_name, turns, intervals) => {
    expect(awakeIntervals(turns, 30)).toEqual(intervals);
  });
});

describe('the simulation', () => {
  it('is the same for the same inputs, and another for another seed', () => {
    expect(run({}, 30)).toEqual(run({}, 30));
    expect(simulateScale(SCALE_INPUTS, measured, { sleepAfterSeconds: 30, sample: 4_000, seed: 2 })).not.toEqual(run({}, 30));
  });

  it('scales with the sessions', () => {
    const [one, ten] = [run({}, 30), run({ sessions: 10_000_000 }, 30)];
    for (const name of ['turnsADay', 'wakesADay', 'awakePeak', 'hostBytesPeak', 'agentBytesPeak', 'storageBytes'])
      expect(ten[name] / one[name]).toBeCloseTo(10, 6);
  });

  it('a longer wait for sleep means fewer wakes and more awake; turns and storage stay', () => {
    const rows = [10, 30, 120, 600].map((seconds) => run({}, seconds));
    for (const [index, row] of rows.entries()) {
      const before = rows[index - 1];
      if (!before) continue;
      expect(row.wakesADay).toBeLessThan(before.wakesADay);
      expect(row.awakeMean).toBeGreaterThan(before.awakeMean);
      expect(row.turnsADay).toBe(before.turnsADay);
      expect(row.storageBytes).toBe(before.storageBytes);
    }
  });

  it('agrees with what can be worked out: turns a day, and the time awake without pauses to bridge', () => {
    const inputs = { activeShare: 1, sessions: 1_000, visits: 1, turns: 1, turnSeconds: 20, swing: 0 };
    const row = run(inputs, 100);
    expect(row.turnsADay).toBeCloseTo(1_000, 6);
    expect(row.wakesADay).toBeCloseTo(1_000, 6);
    // 120 s awake for each of a thousand sessions, over a day; the sample makes it about that.
    expect(row.awakeMean / ((1_000 * 120) / 86_400)).toBeCloseTo(1, 1);
    expect(row.storageBytes).toBeCloseTo(1_000 * 50_000 + 1_000 * 365 * 1_000, 3);
  });

  it('the peak is where people are', () => {
    const flat = run({ swing: 0 }, 30);
    const steep = run({ swing: 1 }, 30);
    expect(steep.awakePeak).toBeGreaterThan(1.5 * flat.awakeMean);
    expect(flat.awakePeak).toBeLessThan(1.5 * flat.awakeMean);
  });

  it('an active session has at least one turn', () => {
    expect(turnsOfADay({ ...SCALE_INPUTS, visits: 1, turns: 1 }, () => 0.5)).toHaveLength(1);
  });
});
