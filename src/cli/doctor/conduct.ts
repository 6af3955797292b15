/** What an agent does unasked, in any of its processes: what it writes on stdout that is no ACP, and that it ends by itself. */
import { looksLikeMessage } from '../../adapters/json-rpc.ts';
import { count, quote } from '../format.ts';
import { breach, fail, type Found } from './report.ts';

export interface Conduct {
  /** How processes ended that nobody had ended, and what they had been asked last. An end instead of an answer is told with the question. */
  readonly ends: string[];
  readonly noise: {
    times: number;
    /** The first of it, or the first message that could not be read: that one lost something. */
    example: { readonly line: string; readonly after: string; readonly broken: string | null } | null;
  };
}

export const newConduct = (): Conduct => ({ ends: [], noise: { times: 0, example: null } });

/** Something on stdout that was no message, after so much had been asked. */
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
    found.initialize = breach(
      `Not all it writes on stdout is ACP; ${count(times, 'time')} something else came, such as this after ${example.after}: ${quote(example.line)}.${broken}`,
    );
  }
  if (first !== undefined) {
    const others = more.length === 0 ? '' : ` So did ${count(more.length, 'further process')}.`;
    found['clean-exit'] = fail(`Its process ended by itself, with its input open: it ${first}.${others}`);
  }
  return found;
}

/** How much of a line is looked at; one that is longer is no slip of the pen. */
const LOOKED_AT = 100_000;

/** Why a line that was to be a message is none; null for one that was not to be. */
export function whyBroken(line: string): string | null {
  const text = line.slice(0, LOOKED_AT);
  if (!looksLikeMessage(text)) return null;
  if (isJson(text)) return text.trimStart().startsWith('[') ? 'ACP has no batches' : 'it is JSON, but no JSON-RPC 2.0';
  const start = text.indexOf('{');
  // What stands in strings is blanked, so that braces and words are those of JSON.
  const bare = text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"/g, (string) => '"'.padEnd(string.length, '_'));
  const end = endOfObject(bare, start);
  if (start < 0 || end < 0) return 'it is cut off, or goes over several lines';
  const object = text.slice(start, end);
  const [unknown] = /\b(?:NaN|Infinity|undefined)\b/.exec(bare.slice(start, end)) ?? [];
  if (unknown !== undefined) return `it holds ${unknown}, which JSON does not have`;
  if (!isJson(object)) return 'it is no JSON';
  if (text.slice(0, start).trim() !== '') return 'there is text in front of it';
  return text.slice(end).trimStart().startsWith('{') ? 'there are two in one line' : 'there is text behind it';
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
