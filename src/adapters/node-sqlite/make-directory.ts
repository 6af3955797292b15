/** Makes a directory and those above it, for this user alone. */
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';

/** One by one: Node's own recursive way never returns where even the first cannot be made, as in /proc. */
export function makeDirectory(directory: string): void {
  if (existsSync(directory)) return;
  const above = path.dirname(directory);
  // Nothing is above a drive, even a missing one.
  if (above !== directory) makeDirectory(above);
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    // Another process may have made it meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
