/** The agents' store on disk: a directory with a file of JSON lines, which is only appended to. */
import { appendFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { makeDirectory } from '../../adapters/node-sqlite/make-directory.ts';
import { storeOn, type SessionStore, type StoreLine } from './store.ts';

/** Opens the store in `directory`, which is made at the first write. If it is deleted while the agent runs the sessions are lost, as with real agents. */
export function directoryStore(directory: string): SessionStore {
  const file = path.join(directory, 'sessions.jsonl');
  return storeOn({
    async read() {
      return existsSync(file) ? readFileSync(file, 'utf8').split('\n').flatMap(parseLine) : [];
    },
    async append(lines) {
      makeDirectory(directory);
      appendFileSync(file, lines.map((line) => `\n${JSON.stringify(line)}`).join(''), { mode: 0o600 });
    },
    async clear() {
      rmSync(directory, { recursive: true, force: true });
    },
  });
}

/** Drops a line that a crash has cut off. (Each write begins with a newline, so that such a line does not spoil the next one.) */
function parseLine(text: string): StoreLine[] {
  if (text === '') return [];
  try {
    return [JSON.parse(text) as StoreLine];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}
