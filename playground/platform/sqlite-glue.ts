/** SQLite's glue, and where this page has it: a worker imports the same file, which is here already. */
import initSqlJs from 'sql.js';

// One object: a bundler leaves out what it sees nobody take, and does not see the worker.
export default { initSqlJs, url: import.meta.url };
