import { realpath } from 'node:fs/promises';

/**
 * Whether two paths lead to one directory: through links, too. One that is not there is only itself.
 *
 * @example
 * const host = await createHost({ database, agents, sameDirectory });
 */
export async function sameDirectory(a: string, b: string): Promise<boolean> {
  if (a === b) return true;
  const [one, other] = await Promise.all([a, b].map((path) => realpath(path).catch(() => null)));
  return one !== null && one === other;
}
