/** What the fault and attack suites tried, as the security page shows it. Only full counts are a record: `FAULTS=full`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

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

function write(folder: string, id: string, what: object): void {
  mkdirSync(path.join(DATA, folder), { recursive: true });
  const at = new Date().toISOString().slice(0, 10);
  writeFileSync(path.join(DATA, folder, `${id}.json`), `${JSON.stringify({ ...what, at }, null, 2)}\n`);
}
