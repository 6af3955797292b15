/** What tests have seen and pages show. Of the fault and attack suites only full counts are a record: `FAULTS=full`. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';

const DATA = path.resolve(import.meta.dirname, '../../content/data');

/** One row of the page. */
export interface Tried {
  readonly what: string;
  readonly tried: number;
  /** What got through, with what that means. A test that fails writes nothing, so most often it is 0. */
  readonly through: number;
}

/** To be called at the end of a test, once it has passed. */
export function record(id: string, tried: Tried): void {
  if (process.env['FAULTS'] !== 'full') return;
  write('tried', id, tried);
}

/** One row of what was seen of our agent side. */
export interface Seen {
  readonly what: string;
  readonly seen: string;
}

/** The same for what is looked at with our agent side; a record is made where `RECORD=1` asks for it. */
export function recordSeen(id: string, seen: Seen): void {
  if (process.env['RECORD'] === '1') write('server', id, seen);
}

/** A command as it was typed, and what it printed. */
export interface Shown {
  readonly command: string;
  readonly output: string;
}

/**
 * What commands print, as a page shows it (`<Output id=… />`). `RECORD=1` writes it; otherwise what was recorded must still be what they
 * print, but for what is different in every run.
 */
export function showsAsRecorded(id: string, runs: readonly Shown[], lasting: (text: string) => string = withoutChance): void {
  const shown = runs.map(({ command, output }) => ({ command, output: output.replace(/\s+$/, '') }));
  if (process.env['RECORD'] === '1') return write('output', id, { runs: shown });
  const { runs: recorded } = JSON.parse(readFileSync(path.join(DATA, 'output', `${id}.json`), 'utf8')) as {
    readonly runs: readonly Shown[];
  };
  const all = (each: readonly Shown[]) => each.map(({ command, output }) => `$ ${command}\n${lasting(output)}`).join('\n');
  expect(all(shown), `content/data/output/${id}.json is not what is printed now; RECORD=1 records it anew`).toBe(all(recorded));
}

/**
 * Ids, times, durations and sizes; how far streamed text came in one commit, and whether an agent's commands came before the turn's
 * beginning or after it, which depend on the machine.
 */
function withoutChance(text: string): string {
  return text
    .replaceAll(/^.*available[ _]commands[ _]update.*\n?/gm, '')
    .replaceAll(/(?<![0-9a-f])(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![0-9a-f])/g, 'ID')
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'TIME')
    .replaceAll(/"(at|seq|ms|agentMs|events|used|text)": ?([\d.]+|"[^"]*")/g, '"$1":N')
    .replaceAll(/[\d.]+ (ms|s\b|events|bytes)/g, 'N $1')
    .replaceAll(/^ +\d+ {2}(?=TIME)/gm, '')
    .replaceAll(/(?:^TIME {2}agent: .*\n?)+/gm, 'TIME  agent: …\n')
    .replaceAll(/ \(N s\)/g, '')
    .replaceAll(/\s+/g, ' ');
}

function write(folder: string, id: string, what: object): void {
  mkdirSync(path.join(DATA, folder), { recursive: true });
  const at = new Date().toISOString().slice(0, 10);
  writeFileSync(path.join(DATA, folder, `${id}.json`), `${JSON.stringify({ ...what, at }, null, 2)}\n`);
}
