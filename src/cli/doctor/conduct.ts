/** What an agent does unasked, in any of its processes: writes to stdout what is not ACP, or ends by itself. */
import { looksLikeMessage } from '../../adapters/json-rpc.ts';
import { count, quote } from '../format.ts';
import { breach, fail, type Found } from './report.ts';

export interface Conduct {
  /** How processes ended by themselves, and after which request. An end instead of an answer is not here: the check that asked reports it. */
  readonly ends: string[];
  readonly noise: {
    times: number;
    /** The first broken message, in which something was lost; without one, the first line of any kind. */
    example: { readonly line: string; readonly after: string; readonly broken: string | null } | null;
  };
}

export const newConduct = (): Conduct => ({ ends: [], noise: { times: 0, example: null } });

/** Notes a line on stdout that was not a message. `after` is the last request. */
export function noteNoise({ noise }: Conduct, line: string, after: string): void {
  noise.times += 1;
  if (noise.example !== null && noise.example.broken !== null) return;
  const broken = whyBroken(line);
  if (noise.example === null || broken !== null) noise.example = { line: line.slice(0, LOOKED_AT), after, broken };
}

export function judgeConduct({ ends: [first, ...more], noise: { times, example } }: Conduct): Found {
  const found: Found = {};
  if (example !== null) {
    const broken = example.broken === null ? '' : ` It was to be a message, and no client can read it: ${example.broken}.`;
    const line = example.line === '\ufeff' ? 'a byte-order mark' : quote(example.line);
    found.initialize = breach(
      `Not all it writes on stdout is ACP: something else came ${count(times, 'time')}, such as this after ${example.after}: ${line}.${broken}`,
    );
  }
  if (first !== undefined) {
    const others = more.length === 0 ? '' : ` So did ${count(more.length, 'further process')}.`;
    found['clean-exit'] = fail(`Its process ended by itself, with its input open: it ${first}.${others}`);
  }
  return found;
}

/** How many characters of a line are looked at. A stray line is shorter. */
const LOOKED_AT = 100_000;

/** What is wrong with a line that was meant as a message; null for any other. */
export function whyBroken(line: string): string | null {
  const text = line.slice(0, LOOKED_AT);
  if (/^content-length:/i.test(text)) return 'ACP has no headers, and each message is one line';
  if (!looksLikeMessage(text)) return null;
  if (isJson(text)) return text.trimStart().startsWith('[') ? 'ACP has no batches' : 'it is JSON, but not JSON-RPC 2.0';
  const start = text.indexOf('{');
  // Strings are blanked, so that the braces and words which are left are JSON's own.
  const bare = text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"/g, (string) => '"'.padEnd(string.length, '_'));
  const end = endOfObject(bare, start);
  if (start < 0 || end < 0) return 'it is cut off, or goes over several lines';
  const object = text.slice(start, end);
  const [unknown] = /\b(?:NaN|Infinity|undefined)\b/.exec(bare.slice(start, end)) ?? [];
  if (unknown !== undefined) return `it holds ${unknown}, which JSON does not have`;
  if (!isJson(object)) return 'it is not JSON';
  if (text.slice(0, start).trim() !== '') return 'there is text in front of it';
  return text.slice(end).trimStart().startsWith('{') ? 'there are two in one line' : 'there is text after it';
}

function endOfObject(bare: string, start: number): number {
  let depth = 0;
  for (let at = Math.max(0, start); at < bare.length; at++) {
    if (bare[at] === '{') depth += 1;
    else if (bare[at] === '}' && --depth === 0) return at + 1;
  }
  return -1;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
