/** Files as a fingerprint: what was built from them is good for as long as it stays the same. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ROOT, inRoot } from './paths.mjs';

/** The files under an entry of the checkout (or the entry itself), relative to it. */
export function filesUnder(entry) {
  if (!existsSync(inRoot(entry))) return [];
  if (!statSync(inRoot(entry)).isDirectory()) return [entry];
  return readdirSync(inRoot(entry), { recursive: true, withFileTypes: true })
    .filter((found) => found.isFile())
    .map((found) => path.relative(ROOT, path.join(found.parentPath ?? found.path, found.name)));
}

/** A hash of files' names and contents. */
export async function hashFiles(root, files) {
  const hash = createHash('sha256');
  for (const file of [...files].sort())
    hash
      .update(`${file}\0`)
      .update(await readFile(path.join(root, file)))
      .update('\0');
  return hash.digest('hex');
}
