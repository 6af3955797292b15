/** A directory with those above it, for this user alone. */
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';

/** One after the other: Node's own recursive way never returns where even the first cannot be made, as in /proc. */
export function makeDirectory(directory: string): void {
  if (existsSync(directory)) return;
  const above = path.dirname(directory);
  // Nothing is above a drive, even one that does not exist.
  if (above !== directory) makeDirectory(above);
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    // Another process may have made it meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
