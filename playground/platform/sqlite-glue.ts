/** SQLite's glue with its address, from which a worker imports it again. */
import initSqlJs from 'sql.js';

// One object, or a bundler drops what only the worker takes.
export default { initSqlJs, url: import.meta.url };
