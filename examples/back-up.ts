/** Copies a database that is in use: `node back-up.ts FILE COPY`. */
// #region copy
import { backup, DatabaseSync } from 'node:sqlite';

const [file = 'sessions.sqlite', copy = 'copy.sqlite'] = process.argv.slice(2);

// The copy holds what was said, so nobody else may read it.
process.umask(0o077);
const source = new DatabaseSync(file, { readOnly: true });
await backup(source, copy);
source.close();
// #endregion copy
console.log(`${file} is copied to ${copy}`);
