/** How many bytes text takes in an answer: as JSON in UTF-8, and as `messageLine` escapes it. */

/** The most bytes that one UTF-16 unit takes: `\u0000`. */
const WIDEST = 6;

export function encodedBytes(text: string): number {
  let bytes = 0;
  for (let at = text.length; at > 0; at -= unitsBefore(text, at)) bytes += widthBefore(text, at);
  return bytes;
}

/** The longest end of the text within so many bytes, cut at a character. */
export function encodedEnd(text: string, limit: number): string {
  if (text.length * WIDEST <= limit) return text;
  let from = text.length;
  let room = limit;
  while (from > 0) {
    room -= widthBefore(text, from);
    if (room < 0) break;
    from -= unitsBefore(text, from);
  }
  return text.slice(from);
}

/** Whether the text takes no more than so many bytes. */
export function fitsEncoded(text: string, limit: number): boolean {
  return text.length * WIDEST <= limit || encodedBytes(text) <= limit;
}

/** 2 where a pair of surrogates ends at `at`, which is one character, else 1. */
function unitsBefore(text: string, at: number): 1 | 2 {
  return isLow(text.charCodeAt(at - 1)) && at > 1 && isHigh(text.charCodeAt(at - 2)) ? 2 : 1;
}

/** The bytes of the character that ends at `at`. */
function widthBefore(text: string, at: number): number {
  if (unitsBefore(text, at) === 2) return 4;
  const unit = text.charCodeAt(at - 1);
  if (unit < 0x20) return SHORT.includes(unit) ? 2 : WIDEST;
  if (unit < 0x80) return unit === QUOTE || unit === BACKSLASH ? 2 : 1;
  if (unit < 0x800) return 2;
  // Half a pair, and U+2028 and U+2029, which some take for line ends, are escaped.
  return isHigh(unit) || isLow(unit) || unit === 0x2028 || unit === 0x2029 ? WIDEST : 3;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** \b \t \n \f \r */
const SHORT: readonly number[] = [8, 9, 10, 12, 13];

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;
