import type { Database } from 'sql.js';
import { readForeignFile } from './import-file.ts';
import { CONSOLE_ROWS, type ConsoleValue, type SqlAnswer, type SqlQuestion } from './sql-console.ts';
import type * as Glue from './sqlite-glue.ts';

const scope = globalThis as unknown as { onmessage: ((event: MessageEvent) => void) | null; postMessage(message: SqlAnswer): void };

scope.onmessage = (event) => {
  void answer(event.data as SqlQuestion).then((result) => scope.postMessage(result));
};

async function answer({ wasm, glue, bytes, sql }: SqlQuestion): Promise<SqlAnswer> {
  try {
    const { default: sqlite } = (await import(/* @vite-ignore */ glue)) as typeof Glue;
    const SQL = await sqlite.initSqlJs({ wasmBinary: wasm });
    if (sql !== null) return query(new SQL.Database(bytes), sql);
    return { kind: 'file', ...(await readForeignFile(SQL, bytes)) };
  } catch (error) {
    return { kind: 'error', message: error instanceof Error ? error.message : String(error) };
  }
}

function query(database: Database, sql: string): SqlAnswer {
  const started = performance.now();
  const rows: ConsoleValue[][] = [];
  let columns: string[] = [];
  let total = 0;
  // The last statement that gives rows is shown.
  for (const statement of database.iterateStatements(sql)) {
    const names = statement.getColumnNames();
    if (names.length > 0) {
      columns = names;
      rows.length = 0;
      total = 0;
    }
    while (statement.step()) {
      total += 1;
      if (rows.length < CONSOLE_ROWS)
        rows.push((statement.get as (params: null, config: { useBigInt: true }) => ConsoleValue[])(null, { useBigInt: true }));
    }
  }
  return { kind: 'rows', columns, rows, total, ms: performance.now() - started };
}
