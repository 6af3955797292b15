import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eachLine, LineCutter, LineTooLong } from '../../../src/adapters/stdio/lines.ts';
import { Tail } from '../../../src/adapters/stdio/tail.ts';

function linesOf(bytes: Buffer, sizes: readonly number[], limit = 1_000_000): string[] {
  const cutter = new LineCutter(limit);
  const lines: string[] = [];
  const take = (block: Buffer | null): void => {
    if (block !== null) eachLine(block, (start, end) => lines.push(block.toString('utf8', start, end)));
  };
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? 1);
    // A fresh copy each, as a socket gives them.
    take(cutter.push(Buffer.from(bytes.subarray(at, at + size))));
    at += size;
  }
  take(cutter.rest());
  return lines;
}

describe('LineCutter', () => {
  it('gives the same lines however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme' })),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        fc.constantFrom('\n', '\r\n'),
        (texts, sizes, end) => {
          const lines = texts.map((text) => `x${text.replaceAll(/[\r\n]/g, '')}x`);
          expect(linesOf(Buffer.from(lines.join(end)), sizes)).toEqual(lines);
        },
      ),
    );
  });

  it('skips blank lines', () => {
    expect(linesOf(Buffer.from('\n\r\n  \na\n\n'), [3])).toEqual(['a']);
  });

  it('I10: refuses a line over the limit wherever it lies, and only that', () => {
    for (const sizes of [[1], [3], [7], [1_000]]) {
      expect(linesOf(Buffer.from('12345678\n12345678\n1'), sizes, 8)).toEqual(['12345678', '12345678', '1']);
      expect(() => linesOf(Buffer.from('1\n123456789\n'), sizes, 8)).toThrow(LineTooLong);
      expect(() => linesOf(Buffer.from('123456789'), sizes, 8)).toThrow(LineTooLong);
    }
  });
});

describe('Tail', () => {
  it('I10: keeps the end, whole lines and whole characters, within the limit', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 50 })), fc.integer({ min: 1, max: 200 }), (texts, limit) => {
        const ring = new Tail(limit);
        for (const text of texts) ring.push(Buffer.from(text));
        const all = texts.join('');
        const kept = ring.lines();
        expect(all.trimEnd().endsWith(kept)).toBe(true);
        expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(limit);
        expect(kept).not.toContain('\ufffd'.repeat(2));
        if (Buffer.byteLength(all) <= limit) expect(kept).toBe(all.trimEnd());
      }),
    );
  });

  it('starts at a line when it had to cut', () => {
    const ring = new Tail(12);
    ring.push(Buffer.from('first line\nsecond\n'));
    expect(ring.lines()).toBe('second');
    expect(ring.lines(4)).toBe('ond');
  });
});
