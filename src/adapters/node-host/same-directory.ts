import { realpath, stat } from 'node:fs/promises';
import { isSamePath } from '../../engine/same-path.ts';

/**
 * Whether two paths lead to the same directory, also through links. Missing directories are the same only if their paths are.
 *
 * @example
 * const host = await createHost({ database, agents, sameDirectory });
 */
export async function sameDirectory(a: string, b: string): Promise<boolean> {
  if (isSamePath(a, b)) return true;
  const [one, other] = await Promise.all([a, b].map((path) => realpath(path).catch(() => null)));
  return one !== null && one === other;
}

/**
 * Whether there is a directory. One that cannot be looked at counts as there, so that no session is moved away from it.
 *
 * @example
 * const host = await createHost({ database, agents, directoryExists });
 */
export async function directoryExists(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT' && error.code !== 'ENOTDIR',
  );
}
