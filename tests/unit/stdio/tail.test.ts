import { describe, expect, it } from 'vitest';
import { Tail } from '../../../src/adapters/stdio/tail.ts';

describe('Tail', () => {
  it('never gives half a character, at either end, however it came', () => {
    const bytes = Buffer.from('aé漢🦊'.repeat(30));
    for (const limit of [0, 1, 2, 3, 4, 5, 17, 1_000]) {
      const tail = new Tail(limit);
      for (const byte of bytes) {
        tail.push(Buffer.from([byte]));
        expect(tail.read().text).not.toContain('\ufffd');
      }
      expect(Buffer.byteLength(tail.read().text)).toBeLessThanOrEqual(limit);
      expect(tail.read().truncated).toBe(limit < bytes.length);
    }
  });
});
