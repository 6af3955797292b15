/** One set-up at a time: two that install into the same node_modules would tear it apart. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { STATE_DIR } from './paths.mjs';

/** Whether a process of this id runs, of whomever. */
export function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/**
 * Runs `work` while no other process of this checkout does so under the same name. A lock whose
 * owner died is taken over.
 */
export async function withLock(name, say, work) {
  const file = path.join(STATE_DIR, `${name}.lock`);
  mkdirSync(STATE_DIR, { recursive: true });
  for (let waited = false; ;) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const owner = Number(readOwner(file));
    if (owner > 0 && !alive(owner)) {
      rmSync(file, { force: true });
      continue;
    }
    if (!waited) say(`Waiting for another set-up of this checkout${owner ? ` (process ${owner})` : ''} …`);
    waited = true;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  const release = () => rmSync(file, { force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    process.removeListener('exit', release);
    release();
  }
}

function readOwner(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // released between our two looks
  }
}
