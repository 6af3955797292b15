/** Without repeated separators, `.`, and a separator at the end. `..` stays, since it leads elsewhere behind a link. */
function plain(path: string): string {
  const isPosix = path.startsWith('/');
  const parts = path.split(isPosix ? '/' : /[\\/]/).filter((part) => part !== '' && part !== '.');
  return (isPosix ? '/' : '') + parts.join('/');
}

/** By their text alone. */
export const isSamePath = (a: string, b: string): boolean => a === b || plain(a) === plain(b);
