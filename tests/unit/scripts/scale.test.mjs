/** The figures of the page on scale come out of this; its bounds are those that can be worked out by hand. */
import { describe, expect, it } from 'vitest';
import { SCALE_INPUTS, scaleRow } from '../../../scripts/scale.mjs';

const measured = { turnBytes: 1_000, emptyBytes: 50_000, actorBytes: 1_000_000, agentBytes: 40_000_000 };
const row = (inputs, sleepAfterSeconds) => scaleRow({ ...SCALE_INPUTS, ...inputs }, measured, sleepAfterSeconds);

describe('what many sessions cost', () => {
  it('one turn a day: awake for the turn and the wait for sleep', () => {
    const one = row({ activeShare: 1, sessions: 1_000, visits: 1, turns: 1, turnSeconds: 20, swing: 0 }, 100);
    expect(one).toMatchObject({ turnsADay: 1_000, wakesADay: 1_000, storageBytes: 1_000 * 50_000 + 1_000 * 365 * 1_000 });
    expect(one.awakeMean).toBeCloseTo((1_000 * 120) / 86_400, 9);
    expect(one.awakePeak).toBe(one.awakeMean);
  });

  it('who never sleeps wakes once a visit, and who sleeps at once wakes for each turn', () => {
    expect(row({}, 1e9).wakesADay).toBeCloseTo(200_000, 6);
    expect(row({}, 0).wakesADay).toBeCloseTo(row({}, 0).turnsADay, 6);
  });

  it('a longer wait for sleep means fewer wakes and more awake; turns and storage stay', () => {
    const [short, long] = [row({}, 10), row({}, 600)];
    expect(long.wakesADay).toBeLessThan(short.wakesADay);
    expect(long.awakeMean).toBeGreaterThan(short.awakeMean);
    expect([long.turnsADay, long.storageBytes]).toEqual([short.turnsADay, short.storageBytes]);
  });

  it('the peak is where people are', () => {
    expect(row({ swing: 1 }, 30).awakePeak).toBe(2 * row({ swing: 0 }, 30).awakeMean);
  });
});
