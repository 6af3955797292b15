import { createHash } from 'node:crypto';
import { expect, it, vi, onTestFinished } from 'vitest';
import { sha256, sha256Hex } from '../../../src/engine/sha256.ts';

const expected = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

it('every length around a block, and long ones, are hashed as FIPS 180-4 says', async () => {
  for (const length of [...Array.from({ length: 200 }, (_, index) => index), 1_000, 65_536, 3_000_001]) {
    const bytes = Uint8Array.from({ length }, (_, index) => (index * 7 + length) & 0xff);
    expect(hex(await sha256(bytes)), `${length} bytes`).toBe(expected(bytes));
  }
  // A view into a larger buffer.
  const view = new Uint8Array(Buffer.from('xxabcxx')).subarray(2, 5);
  expect(hex(await sha256(view))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

it('a page without crypto.subtle gets the same as one with it', async () => {
  const text = JSON.stringify([{ type: 'text', text: 'grüß 𝄞 dich' }]);
  const there = await sha256Hex(text);
  vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) });
  onTestFinished(() => void vi.unstubAllGlobals());
  expect(await sha256Hex(text)).toBe(there);
  expect(there).toBe(expected(text));
});
