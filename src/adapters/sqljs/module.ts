/** The part of sql.js this adapter uses, described here so that nobody needs its types. */
import { SqlError } from '../../engine/ports.ts';

export interface SqljsModule {
  readonly Database: new (data?: Uint8Array | null) => SqljsConnection;
}

export interface SqljsConnection {
  prepare(sql: string): SqljsStatement;
  run(sql: string): unknown;
  export(): Uint8Array;
  close(): void;
  /** Throws for every result code but 0; replaced to learn the code, which sql.js's errors leave out. */
  handleError(code: number): null;
}

export interface SqljsStatement {
  bind(params: readonly unknown[]): boolean;
  step(): boolean;
  get(): unknown[];
  getColumnNames(): string[];
  reset(): void;
  free(): boolean;
}

/** Where sql.js comes from; by default the package `sql.js` is imported when it is first needed. */
export interface SqljsSource {
  /** sql.js, already initialised. */
  readonly module?: SqljsModule | Promise<SqljsModule>;
  /** Gives the address of `sql-wasm-browser.wasm` (or of `sql-wasm.wasm` in Node). */
  readonly locateFile?: (file: string) => string;
  /** The wasm itself, where the caller fetched it. */
  readonly wasmBinary?: ArrayBuffer | Uint8Array;
}

type Initialise = (config: object) => Promise<SqljsModule>;

/** Rejects with a `SqlError` that says what could not be loaded. */
export async function loadSqljs(source: SqljsSource): Promise<SqljsModule> {
  try {
    return await (source.module ?? importSqljs(source));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new SqlError('other', `sql.js could not be loaded (${message}). Install the package sql.js, and see that the address locateFile gives can be fetched.`, { cause: error });
  }
}

async function importSqljs({ locateFile, wasmBinary }: SqljsSource): Promise<SqljsModule> {
  const imported = (await import('sql.js')) as unknown as { default: Initialise | { default: Initialise } };
  const initialise = typeof imported.default === 'function' ? imported.default : imported.default.default;
  return initialise({ ...(locateFile ? { locateFile } : {}), ...(wasmBinary ? { wasmBinary } : {}) });
}
