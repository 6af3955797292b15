/** Runs one statement on a copy of the database, then is ended by the page. */
import initSqlJs from 'sql.js';
import type { SqlValue } from '../../src/engine/ports.ts';
import { CONSOLE_ROWS, type ConsoleQuestion, type ConsoleResult } from './sql-console.ts';

const scope = globalThis as unknown as { onmessage: ((event: MessageEvent) => void) | null; postMessage(message: unknown): void };

scope.onmessage = (event) => {
  void answer(event.data as ConsoleQuestion).then((result) => scope.postMessage(result));
};

async function answer({ wasm, bytes, sql }: ConsoleQuestion): Promise<ConsoleResult> {
  try {
    const SQL = await initSqlJs({ wasmBinary: wasm });
    const database = new SQL.Database(bytes);
    const started = performance.now();
    const rows: SqlValue[][] = [];
    let columns: string[] = [];
    let total = 0;
    // Several statements may stand in one text; the last one that gives rows is shown.
    for (const statement of database.iterateStatements(sql)) {
      const names = statement.getColumnNames();
      if (names.length > 0) {
        columns = names;
        rows.length = 0;
        total = 0;
      }
      while (statement.step()) {
        total += 1;
        if (rows.length < CONSOLE_ROWS) rows.push(statement.get() as SqlValue[]);
      }
    }
    return { kind: 'rows', columns, rows, total, ms: performance.now() - started };
  } catch (error) {
    return { kind: 'error', message: error instanceof Error ? error.message : String(error) };
  }
}
