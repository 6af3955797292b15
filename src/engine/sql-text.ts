/**
 * What an adapter of the `SqlDatabase` port must check in a statement's text before SQLite gets it, since SQLite ignores what follows the
 * first statement, and binds NULL where a parameter is missing.
 */

/** What the text of a statement says about it. */
export interface StatementShape {
  /** The first word, in upper case; empty when there is no statement. */
  readonly verb: string;
  /** How many plain `?` it has; null when it uses numbered or named parameters. */
  readonly placeholders: number | null;
  /** Whether another statement follows the first. */
  readonly more: boolean;
  /** False only when it surely cannot change the database. */
  readonly mayWrite: boolean;
  /** The name, in lower case, of a PRAGMA that may do more than read, even after EXPLAIN; else null. */
  readonly actingPragma: string | null;
}

/** A quoted text or name, a comment, a word, a placeholder, or any other character that is not white space. */
const TOKEN =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|[\p{L}_$][\p{L}\p{N}_$]*|\?\d+|[@:][\p{L}_$][\p{L}\p{N}_$]*|[?;]|\S/gu;

/**
 * Reads a statement's text. Never throws: refusing what is not SQL is left to SQLite.
 *
 * @example
 * statementShape('DELETE FROM t WHERE id = ?').verb; // 'DELETE'
 */
export function statementShape(sql: string): StatementShape {
  let verb = '';
  let placeholders: number | null = 0;
  let ended = false;
  let trigger = false;
  let words = 0;
  let mayWrite = true;
  let writingWord = false;
  let optimizes = false;
  const head: string[] = [];
  let actingPragma: string | null = null;
  for (const [token] of sql.matchAll(TOKEN)) {
    if (token.startsWith('--') || token.startsWith('/*')) continue;
    if (token === ';') {
      ended ||= verb !== '';
      continue;
    }
    // The body of a trigger has statements of its own.
    if (ended && !trigger) return { verb, placeholders, more: true, mayWrite, actingPragma };
    const word = /^[\p{L}_]/u.test(token) ? token.toUpperCase() : '';
    verb ||= word || token;
    if (word) words += 1;
    writingWord ||= WRITING.has(word);
    optimizes ||= OPTIMIZES.test(token);
    if (PRAGMA_VERBS.has(verb) && head.length < PRAGMA_TOKENS) {
      head.push(token);
      actingPragma = actingPragmaOf(head);
    }
    mayWrite =
      optimizes ||
      actingPragma !== null ||
      !(verb === 'SELECT' || verb === 'VALUES' || verb === 'EXPLAIN' || (verb === 'WITH' && !writingWord));
    if (words <= 3 && word === 'TRIGGER' && verb === 'CREATE') trigger = true;
    if (token === '?') placeholders = placeholders === null ? null : placeholders + 1;
    else if (/^(?:\?\d|[@:$])/.test(token) && token.length > 1) placeholders = null;
  }
  return { verb, placeholders, more: false, mayWrite, actingPragma };
}

/** How many tokens tell what a PRAGMA does: `EXPLAIN QUERY PLAN PRAGMA main.user_version =`. */
const PRAGMA_TOKENS = 8;
const PRAGMA_VERBS = new Set(['PRAGMA', 'EXPLAIN']);
/** The only PRAGMA that changes something when a SELECT reads it as a table. */
const OPTIMIZES = /^["'`[]?pragma_optimize["'`\]]?$/i;
/** PRAGMAs whose argument (a table, an index, a count) does not make them change anything. */
const READS_GIVEN = new Set([
  'table_info',
  'table_xinfo',
  'table_list',
  'index_list',
  'index_info',
  'index_xinfo',
  'foreign_key_list',
  'foreign_key_check',
  'integrity_check',
  'quick_check',
]);
/** PRAGMAs that change something without an argument. All others then return a setting. */
const ACTS_BARE = new Set(['incremental_vacuum', 'optimize', 'shrink_memory', 'wal_checkpoint']);

function actingPragmaOf(head: readonly string[]): string | null {
  const words = head.map((token) => token.replace(/^["'`[]|["'`\]]$/g, '').toLowerCase());
  if (words[0] === 'explain') words.splice(0, words[1] === 'query' ? 3 : 1);
  if (words[0] !== 'pragma') return null;
  if (words[2] === '.') words.splice(1, 2);
  const [, name = '', next = ''] = words;
  const hasArgument = next === '=' || next === '(';
  const acts = hasArgument ? !READS_GIVEN.has(name) : ACTS_BARE.has(name);
  return acts ? name : null;
}

const WRITING = new Set(['INSERT', 'UPDATE', 'DELETE', 'REPLACE']);
const READING = new Set(['SELECT', 'WITH', 'VALUES', 'EXPLAIN', 'PRAGMA']);
const TRANSACTION = new Set(['BEGIN', 'COMMIT', 'END', 'ROLLBACK', 'SAVEPOINT', 'RELEASE', 'ATTACH', 'DETACH', 'VACUUM']);

/**
 * Why a statement may not be run through the port; null when it may. A batch is a transaction already, so statements that open or end one
 * are refused. A query only reads.
 *
 * @example
 * const problem = statementProblem(statementShape('BEGIN'), 'batch'); // says why not
 */
export function statementProblem(shape: StatementShape, use: 'query' | 'batch'): string | null {
  if (shape.verb === '') return 'there is no statement in the text';
  if (shape.more) return 'there is more than one statement in the text; give each one alone';
  if (TRANSACTION.has(shape.verb)) return `${shape.verb} cannot be used here: every batch is one transaction of its own`;
  if (use === 'query' && !READING.has(shape.verb)) return `${shape.verb} changes the database; use a batch`;
  if (use === 'query' && shape.actingPragma !== null)
    return `PRAGMA ${shape.actingPragma} may change the database or the connection here; use a batch`;
  return null;
}

/**
 * Why the parameters do not fit the statement; null when they do.
 *
 * @example
 * const problem = parameterProblem(statementShape('SELECT ?, ?'), [1]); // one is missing
 */
export function parameterProblem(shape: StatementShape, params: readonly unknown[]): string | null {
  if (shape.placeholders !== null && params.length !== shape.placeholders) {
    return `the statement has ${shape.placeholders} parameters and was given ${params.length}`;
  }
  for (let i = 0; i < params.length; i++) {
    const value = params[i];
    if (value === null || typeof value === 'string' || value instanceof Uint8Array) continue;
    if (typeof value === 'number' && !Number.isNaN(value)) continue;
    return `parameter ${i + 1} is ${Number.isNaN(value) ? 'NaN' : typeof value}; only strings, numbers, null and Uint8Array can be stored`;
  }
  return null;
}
