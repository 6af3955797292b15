/**
 * A path without what says nothing: repeated separators, `.`, and a separator at its end. `..` stays, since it leads elsewhere
 * behind a link.
 */
function plain(path: string): string {
  const isPosix = path.startsWith('/');
  const parts = path.split(isPosix ? '/' : /[\\/]/).filter((part) => part !== '' && part !== '.');
  return (isPosix ? '/' : '') + parts.join('/');
}

/** Whether two absolute paths are the same by their text alone. */
export const isSamePath = (a: string, b: string): boolean => a === b || plain(a) === plain(b);
