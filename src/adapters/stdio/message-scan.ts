/**
 * Recognises a JSON-RPC message in bytes for forwarding, several times faster than `JSON.parse`. It says yes only when it is certain; what it does
 * not recognise must still be parsed.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const MAX_DEPTH = 64;

/** The container at each depth. Scanning is synchronous, so one array is enough. */
const containers = new Uint8Array(MAX_DEPTH + 1);

const VERSION = 1;
const METHOD = 2;
const ID = 4;
const OUTCOME = 8;

const keys: readonly (readonly [name: Uint8Array, flag: number])[] = (
  [
    ['jsonrpc', VERSION],
    ['method', METHOD],
    ['id', ID],
    ['result', OUTCOME],
    ['error', OUTCOME],
  ] as const
).map(([name, flag]) => [Uint8Array.from(name, (character) => character.charCodeAt(0)), flag]);

/**
 * The end (exclusive) of the JSON-RPC 2.0 message that starts at `start`, or -1 when that is not certain: another value, a fault, a line end
 * inside, deep nesting, an unusual spelling. The bytes must be valid UTF-8.
 */
export function scanMessage(bytes: Uint8Array, start: number): number {
  const length = bytes.length;
  if (bytes[start] !== OPEN_OBJECT) return -1;
  let at = start + 1;
  let depth = 1;
  let seen = 0;
  containers[1] = OPEN_OBJECT;
  // Right after an opening bracket, where the container may also close.
  let fresh = true;
  for (;;) {
    let byte = bytes[at]!;
    while (byte === 0x20 || byte === 0x09) byte = bytes[(at += 1)]!;
    if (at >= length) return -1;
    const inObject = containers[depth] === OPEN_OBJECT;
    if (fresh && byte === (inObject ? CLOSE_OBJECT : CLOSE_ARRAY)) {
      at += 1;
      depth -= 1;
    } else {
      let flag = 0;
      if (inObject) {
        if (byte !== QUOTE) return -1;
        const from = at + 1;
        at = scanString(bytes, at);
        if (at < 0) return -1;
        if (depth === 1) {
          flag = flagOf(bytes, from, at - 1);
          // An escape may spell one of our keys, and a repeated key has two meanings.
          if (flag < 0 || (flag & seen & ~OUTCOME) !== 0) return -1;
        }
        byte = bytes[at]!;
        while (byte === 0x20 || byte === 0x09) byte = bytes[(at += 1)]!;
        if (byte !== COLON) return -1;
        byte = bytes[(at += 1)]!;
        while (byte === 0x20 || byte === 0x09) byte = bytes[(at += 1)]!;
        if (flag === METHOD && byte !== QUOTE) return -1;
        if (flag === VERSION && !isVersion(bytes, at)) return -1;
        seen |= flag;
      }
      if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        depth += 1;
        if (depth > MAX_DEPTH) return -1;
        containers[depth] = byte;
        fresh = true;
        at += 1;
        continue;
      }
      at = byte === QUOTE ? scanString(bytes, at) : scanScalar(bytes, at, byte);
      if (at < 0) return -1;
    }
    // After a value: a comma and the next one, or the end of one or more containers.
    for (;;) {
      if (depth === 0) {
        const answers = (seen & ID) !== 0 && (seen & OUTCOME) !== 0;
        return (seen & VERSION) !== 0 && ((seen & METHOD) !== 0 || answers) ? at : -1;
      }
      byte = bytes[at]!;
      while (byte === 0x20 || byte === 0x09) byte = bytes[(at += 1)]!;
      at += 1;
      if (byte === COMMA) break;
      if (byte !== (containers[depth] === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_ARRAY)) return -1;
      depth -= 1;
    }
    fresh = false;
  }
}

/** The index after the string that starts at `at`, or -1. */
function scanString(bytes: Uint8Array, at: number): number {
  for (at += 1; ; at += 1) {
    let byte = bytes[at]!;
    while (byte !== QUOTE && byte !== BACKSLASH && byte >= 0x20) byte = bytes[(at += 1)]!;
    if (byte === QUOTE) return at + 1;
    if (byte !== BACKSLASH) return -1;
    const escaped = bytes[(at += 1)]!;
    if (escaped === 0x75) {
      for (let digit = 0; digit < 4; digit += 1) if (!isHex(bytes[(at += 1)]!)) return -1;
    } else if (!isEscape(escaped)) return -1;
  }
}

function isHex(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

/** `"` `\` `/` `b` `f` `n` `r` `t` */
function isEscape(byte: number): boolean {
  return (
    byte === QUOTE ||
    byte === BACKSLASH ||
    byte === 0x2f ||
    byte === 0x62 ||
    byte === 0x66 ||
    byte === 0x6e ||
    byte === 0x72 ||
    byte === 0x74
  );
}

/** The index after a number, `true`, `false` or `null`, or -1. */
function scanScalar(bytes: Uint8Array, at: number, byte: number): number {
  if (byte === 0x74) return bytes[at + 1] === 0x72 && bytes[at + 2] === 0x75 && bytes[at + 3] === 0x65 ? at + 4 : -1;
  if (byte === 0x66)
    return bytes[at + 1] === 0x61 && bytes[at + 2] === 0x6c && bytes[at + 3] === 0x73 && bytes[at + 4] === 0x65 ? at + 5 : -1;
  if (byte === 0x6e) return bytes[at + 1] === 0x75 && bytes[at + 2] === 0x6c && bytes[at + 3] === 0x6c ? at + 4 : -1;
  if (byte === 0x2d) byte = bytes[(at += 1)]!;
  if (!isDigit(byte)) return -1;
  at += 1;
  if (byte !== 0x30) while (isDigit(bytes[at]!)) at += 1;
  if (bytes[at] === 0x2e) {
    if (!isDigit(bytes[(at += 1)]!)) return -1;
    while (isDigit(bytes[at]!)) at += 1;
  }
  if (bytes[at] === 0x65 || bytes[at] === 0x45) {
    at += 1;
    if (bytes[at] === 0x2b || bytes[at] === 0x2d) at += 1;
    if (!isDigit(bytes[at]!)) return -1;
    while (isDigit(bytes[at]!)) at += 1;
  }
  return at;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** `"2.0"` at `at`. */
function isVersion(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === QUOTE && bytes[at + 1] === 0x32 && bytes[at + 2] === 0x2e && bytes[at + 3] === 0x30 && bytes[at + 4] === QUOTE;
}

/** A top-level key's flag, 0, or -1 when it is spelt with escapes. */
function flagOf(bytes: Uint8Array, from: number, to: number): number {
  for (let at = from; at < to; at += 1) if (bytes[at] === BACKSLASH) return -1;
  next: for (const [name, flag] of keys) {
    if (name.length !== to - from) continue;
    for (let index = 0; index < name.length; index += 1) if (bytes[from + index] !== name[index]) continue next;
    return flag;
  }
  return 0;
}
