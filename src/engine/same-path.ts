/** The path without repeated separators, `.` and a trailing separator. `..` stays, since behind a link it leads elsewhere. */
function plain(path: string): string {
  const isPosix = path.startsWith('/');
  const parts = path.split(isPosix ? '/' : /[\\/]/).filter((part) => part !== '' && part !== '.');
  return (isPosix ? '/' : '') + parts.join('/');
}

/** Compares the texts of the paths, and looks at no disk. */
export const isSamePath = (a: string, b: string): boolean => a === b || plain(a) === plain(b);
