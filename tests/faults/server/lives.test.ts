/** Lives of random clients; `LIFE=N` lives one of them again. */
import { expect, it } from 'vitest';
import { SEED } from '../engine-host/random.ts';
import { live } from './lives.ts';

const LIVES = process.env['LIVES']
  ? Number(process.env['LIVES'])
  : process.env['FAULTS'] === 'full'
    ? 3_000
    : process.env['FAULTS'] === 'few'
      ? 40
      : 150;

it('I2, I3, I10: many lives of random clients', { timeout: 3_600_000 }, async () => {
  const failed: string[] = [];
  const first = process.env['LIFE'] ? Number(process.env['LIFE']) : SEED;
  const number = process.env['LIFE'] ? 1 : LIVES;
  for (let life = 0; life < number && failed.length < 8; life += 1) {
    const faults = await live(first + life);
    if (faults.length > 0) failed.push(`LIFE=${first + life}\n${faults.join('\n')}`);
  }
  expect(failed.join('\n\n')).toBe('');
});
