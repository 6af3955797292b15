import { describe, expect, it } from 'vitest';
import { encodedBytes, encodedEnd, fitsEncoded } from '../../../src/adapters/stdio/client/request.ts';
import { Tail } from '../../../src/adapters/stdio/tail.ts';
import { messageLine } from '../../../src/adapters/stdio/lines.ts';

describe('encoded', () => {
  it.each(['', 'a', 'é漢🦊', '"\\/\b\f\n\r\t\u000b\u007f\0', '\u2028\u2029', '\ud83d', '\udd8a\ud83d', 'a\ud83d🦊\udd8a"'])(
    '%j: as many bytes as its line has, and the longest end that fits',
    (text) => {
      const bytes = Buffer.byteLength(messageLine(text)) - 2;
      expect(encodedBytes(text)).toBe(bytes);
      for (let limit = 0; limit <= bytes + 1; limit += 1) {
        const end = encodedEnd(text, limit);
        expect(fitsEncoded(text, limit)).toBe(bytes <= limit);
        expect(text.endsWith(end)).toBe(true);
        expect(encodedBytes(end)).toBeLessThanOrEqual(limit);
        expect(/^[\udc00-\udfff]/.test(end) && /[\ud800-\udbff]$/.test(text.slice(0, text.length - end.length))).toBe(false);
        const [next = ''] = [...text.slice(0, text.length - end.length)].slice(-1);
        expect(end === text || encodedBytes(next + end) > limit).toBe(true);
      }
    },
  );
});

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
