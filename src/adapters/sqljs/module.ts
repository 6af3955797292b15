/** The part of sql.js that this adapter uses (so that its types need not be installed), and how it is loaded. */
import { SqlError, type SqlValue } from '../../engine/ports.ts';

export interface SqljsModule {
  readonly Database: new (data?: Uint8Array | null) => SqljsConnection;
}

export interface SqljsConnection {
  prepare(sql: string): SqljsStatement;
  run(sql: string): unknown;
  export(): Uint8Array;
  close(): void;
  /** The adapter replaces this to learn SQLite's error code, which the errors of sql.js do not have. */
  handleError(code: number): null;
}

export interface SqljsStatement {
  /** sql.js's own types take no readonly list. */
  bind(params: SqlValue[]): boolean;
  step(): boolean;
  get(): unknown[];
  getColumnNames(): string[];
  reset(): void;
  free(): boolean;
}

/** Where sql.js comes from; by default the package `sql.js`, when it is first needed. */
export interface SqljsSource {
  /** sql.js, already initialised. */
  readonly module?: SqljsModule | Promise<SqljsModule> | undefined;
  /** Gives the address of `sql-wasm-browser.wasm` (or of `sql-wasm.wasm` in Node). */
  readonly locateFile?: ((file: string) => string) | undefined;
  /** The wasm itself. */
  readonly wasmBinary?: ArrayBuffer | Uint8Array | undefined;
}

type Initialise = (config: object) => Promise<SqljsModule>;

/** Rejects with a `SqlError` that says what could not be loaded, and what to do about it. */
export async function loadSqljs(source: SqljsSource): Promise<SqljsModule> {
  let module: SqljsModule;
  try {
    module = await (source.module ?? importSqljs(source));
  } catch (error) {
    throw new SqlError('other', loadProblem(error), { cause: error });
  }
  if (typeof (module as Partial<SqljsModule> | undefined)?.Database === 'function') return module;
  throw new SqlError('other', 'The `module` that openSqljs was given is not sql.js, or was not initialised: give it `await initSqlJs()`.');
}

/** Node, browsers and Vite (for an optional peer) word it differently; all quote the name. */
const NOT_INSTALLED = /['"“]sql\.js['"”]/;

/** What to do about a load that failed: the package may be missing, or only its wasm. */
export function loadProblem(error: unknown): string {
  const said = error instanceof Error ? error.message : String(error);
  return NOT_INSTALLED.test(said)
    ? `sql.js is not installed; acp-rehydrate/sqljs needs it. Run “npm install sql.js”, or, on a page without npm, give openSqljs its \`module\`. (${said})`
    : `sql.js could not be loaded (${said}). See that the address locateFile gives can be fetched.`;
}

async function importSqljs({ locateFile, wasmBinary }: SqljsSource): Promise<SqljsModule> {
  const imported = (await import('sql.js')) as unknown as { default: Initialise | { default: Initialise } };
  const initialise = typeof imported.default === 'function' ? imported.default : imported.default.default;
  return initialise({ ...(locateFile ? { locateFile } : {}), ...(wasmBinary ? { wasmBinary } : {}) });
}
