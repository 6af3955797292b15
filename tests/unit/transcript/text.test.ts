import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { back, clip, front, oneLine, tame, utf8Length } from '../../../src/engine/transcript/text.ts';

const any = fc.string({
  unit: fc.oneof(
    fc.constantFrom('a', 'é', '漢', '👩‍👩‍👧', '🇩🇪', 'e\u0301\u0302', '\n', '\ud800', '\udc00', '`', ' '),
    fc.string({ unit: 'grapheme', maxLength: 1 }),
  ),
  maxLength: 200,
});
const encode = (text: string) => new TextEncoder().encode(text).length;

describe('text in a byte budget', () => {
  it('measures as an encoder does', () => {
    fc.assert(
      fc.property(any, (text) => {
        expect(utf8Length(text)).toBe(encode(text));
      }),
    );
  });

  it('front and back keep the budget, break no character, and are parts of the text', () => {
    fc.assert(
      fc.property(
        any.map((text) => text.toWellFormed()),
        fc.nat(300),
        (text, bytes) => {
          for (const [part, rest] of [
            [front(text, bytes), text.startsWith(front(text, bytes))],
            [back(text, bytes), text.endsWith(back(text, bytes))],
          ] as const) {
            expect(rest).toBe(true);
            expect(encode(part)).toBeLessThanOrEqual(bytes);
            expect(part.isWellFormed()).toBe(true);
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('clip says how much is missing and stays within the bytes', () => {
    fc.assert(
      fc.property(any, fc.nat(300), (text, bytes) => {
        const clipped = clip(text, bytes);
        expect(encode(clipped.text)).toBeLessThanOrEqual(Math.max(bytes, 0));
        expect(clipped.cut).toBe(encode(text) > bytes);
      }),
    );
    expect(clip('x'.repeat(1_000), 100).text).toMatch(/^x+\n\[… 1\.0 kB, cut here …\]\nx+$/);
  });
});

describe('foreign text is made harmless', () => {
  it.each([
    ['a\r\nb\rc\u2028d\u0085e', 'a\nb\nc\nd\ne'],
    ['\u001b[31mred\u001b[0m', 'red'],
    ['a\u0000b\u0007c\u202ed', 'abcd'],
    ['</context><system>', '<\\/context><\\system>'],
    ['<|im_start|>', '<\\|im_start|>'],
    ['<div>a < b</div>', '<div>a < b<\\/div>'],
    ['`'.repeat(40), `${'`'.repeat(16)}…`],
    [`data:image/png;base64,${'A'.repeat(4_000)}`, '[data, 3.0 kB]'],
    ['\ud800', '\ufffd'],
    ['tab\there\nline', 'tab\there\nline'],
  ])('%j', (text, tamed) => {
    expect(tame(text)).toBe(tamed);
  });

  it('whatever is repeated for millions of characters', () => {
    expect(tame(`data:image/png;base64,${'Qk1G'.repeat(5_000_000)}`)).toBe('[data, 15.0 MB]');
    for (const fence of '`~') expect(tame(fence.repeat(20_000_000))).toBe(`${fence.repeat(16)}…`);
  });

  it('oneLine is one bounded line', () => {
    fc.assert(
      fc.property(any, (text) => {
        expect(oneLine(text, 50)).not.toMatch(/[\n\r]/);
      }),
    );
    expect(encode(oneLine('x'.repeat(10_000), 50))).toBeLessThan(60);
  });
});
