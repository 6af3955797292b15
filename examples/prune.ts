/**
 * Exports and deletes sessions that nobody used for a while:
 *
 *   node prune.ts DATABASE DIRECTORY DAYS
 */
import { mkdir, rename } from 'node:fs/promises';
import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
// #region prune
import { RehydrateError } from 'acp-rehydrate';
import { openHost } from 'acp-rehydrate/node';

// #endregion prune
const [database = '', directory = '', days = '90'] = process.argv.slice(2);

/** The whole file or none: what stands under its name is complete. */
async function writeLines(lines: AsyncIterable<string>, file: string): Promise<void> {
  const terminated = async function* () {
    for await (const line of lines) yield `${line.trimEnd()}\n`;
  };
  await mkdir(path.dirname(file), { recursive: true });
  await pipeline(Readable.from(terminated()), createWriteStream(`${file}.part`, { mode: 0o600 }));
  await rename(`${file}.part`, file);
}

// #region prune
const host = await openHost(database, { agents: {} });
const before = Date.now() - Number(days) * 86_400_000;

// All of them first: deleting while one pages would move the pages.
const old: string[] = [];
for (let cursor: string | undefined; ;) {
  const { sessions, nextCursor } = await host.list({ cursor });
  old.push(...sessions.filter(({ updatedAt }) => updatedAt < before).map(({ sessionId }) => sessionId));
  if (!nextCursor) break;
  cursor = nextCursor;
}

for (const sessionId of old) {
  await writeLines(host.export(sessionId), path.join(directory, `${encodeURIComponent(sessionId)}.jsonl`));
  try {
    await host.delete(sessionId);
    console.log('deleted', sessionId);
  } catch (error) {
    if (!RehydrateError.is(error) || error.code !== 'session_busy') throw error;
    console.log('in use, kept', sessionId);
  }
}
await host.sleep();
// #endregion prune
