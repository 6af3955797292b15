/** What the fault and attack suites tried, as the security page shows it. Only full counts are a record: `FAULTS=full`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const FOLDER = path.resolve(import.meta.dirname, '../../content/data/tried');

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
  mkdirSync(FOLDER, { recursive: true });
  const at = new Date().toISOString().slice(0, 10);
  writeFileSync(path.join(FOLDER, `${id}.json`), `${JSON.stringify({ ...tried, at }, null, 2)}\n`);
}
