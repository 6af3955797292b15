import { useRef } from 'preact/hooks';
import { cellText, rowKey, type Changes, type TableView } from '../state/tables.ts';
import type { ConsoleResult, ConsoleValue } from '../platform/sql-console.ts';
import { beginningOf, count, msWords } from '../state/words.ts';
import { Button, Empty, Panel, Problem, submitOnEnter, Tabs, type PartProps } from './controls.tsx';
import { Newest } from './Newest.tsx';

const CELL_CHARS = 80;

export function DatabasePanel({ pg }: PartProps) {
  const { branches, tables } = pg;
  const table = tables.table.value;
  const importing = branches.importing.value;
  return (
    <Panel
      name="Database"
      pg={pg}
      aside={
        <>
          <Button tone="quiet" onPress={branches.exportDatabase}>
            Export database
          </Button>
          <ImportButton
            onImport={(file) =>
              branches.importDatabase({ name: file.name, size: file.size, bytes: async () => new Uint8Array(await file.arrayBuffer()) })
            }
          />
        </>
      }
    >
      {importing ? (
        importing.problem === null ? (
          <p role="status">
            Reading <bdi>{importing.name}</bdi>…
          </p>
        ) : (
          <Problem>{importing.problem}</Problem>
        )
      ) : null}
      {tables.list.value.length === 0 ? (
        <Empty>The tables appear here when the database is open.</Empty>
      ) : (
        <>
          <Tabs
            label="Tables"
            shown={table?.name}
            tabs={tables.list.value.map(({ name, rows }) => [
              name,
              <>
                {name} <span class="rp-dim">{rows}</span>
              </>,
            ])}
            onChoose={tables.choose}
          />
          {table ? <Rows table={table} changes={tables.changes.value} /> : null}
        </>
      )}
      <form
        class="rp-sql"
        onSubmit={(event) => {
          event.preventDefault();
          void tables.run();
        }}
      >
        <textarea
          class="rp-field rp-code"
          aria-label="SQL"
          rows={2}
          spellcheck={false}
          autocapitalize="off"
          value={tables.sql.value}
          onInput={(event) => (tables.sql.value = event.currentTarget.value)}
          onKeyDown={submitOnEnter}
        />
        <Button>Run query</Button>
      </form>
      <p class="rp-dim rp-small">
        Queries run on a throw-away copy. Nothing they do reaches the session.
        {pg.databases.role.value === 'client' ? ' Another tab owns the database and serves this one.' : ''}
      </p>
      <div aria-live="polite">{tables.result.value ? <Result result={tables.result.value} /> : null}</div>
    </Panel>
  );
}

function ImportButton(props: { readonly onImport: (file: File) => unknown }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <Button tone="quiet" onPress={() => input.current?.click()}>
        Import database
      </Button>
      <input
        ref={input}
        type="file"
        hidden
        accept=".sqlite,.sqlite3,.db,application/vnd.sqlite3"
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          event.currentTarget.value = '';
          if (file) props.onImport(file);
        }}
      />
    </>
  );
}

function Rows({ table, changes }: { readonly table: TableView; readonly changes: Changes }) {
  if (table.rows.length === 0) return <Empty>{`${table.name} has no rows yet.`}</Empty>;
  return (
    <Newest rowsGo class="rp-table rp-scroll" role="group" aria-label={`Rows of ${table.name}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">
              <span class="rp-sr">Changed</span>
            </th>
            <Heads columns={table.columns} />
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row, index) => {
            const key = rowKey(table, row, index);
            const change = changes.get(key);
            const columns = change === 'new' ? undefined : change;
            const word = columns ? 'changed' : change;
            return (
              <tr key={key} data-change={word}>
                <td class="rp-mark">
                  {word ? (
                    <>
                      <span aria-hidden="true">{word === 'new' ? '+' : '~'}</span>
                      <span class="rp-sr">{word}</span>
                    </>
                  ) : null}
                </td>
                {table.columns.map((column) => (
                  <Cell key={column} value={row[column] ?? null} changed={columns?.has(column)} />
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
      {table.total > table.rows.length ? (
        <p class="rp-dim">
          The newest {table.rows.length} of {count(table.total, 'row')}.
        </p>
      ) : null}
    </Newest>
  );
}

const Heads = ({ columns }: { readonly columns: readonly string[] }) =>
  columns.map((column, index) => (
    <th scope="col" key={index}>
      {column}
    </th>
  ));

function Cell({ value, changed }: { readonly value: ConsoleValue; readonly changed?: boolean | undefined }) {
  const text = cellText(value);
  return (
    <td data-changed={changed ? 'true' : undefined} class={value === null ? 'rp-null' : undefined}>
      {text.length <= CELL_CHARS ? (
        text
      ) : (
        <details>
          <summary>{text.slice(0, CELL_CHARS)}…</summary>
          <pre tabIndex={0}>{beginningOf(text)}</pre>
        </details>
      )}
    </td>
  );
}

function Result({ result }: { readonly result: ConsoleResult }) {
  if (result.kind === 'error') return <Problem>{result.message}</Problem>;
  if (result.kind === 'running') return <p class="rp-dim">Running…</p>;
  return (
    <div class="rp-table rp-scroll" tabIndex={0} role="group" aria-label="Query result">
      <p class="rp-dim">
        {count(result.total, 'row')}
        {result.total > result.rows.length ? `, the first ${result.rows.length} shown` : ''}, {msWords(result.ms)}
      </p>
      {result.rows.length > 0 ? (
        <table>
          <thead>
            <tr>
              <Heads columns={result.columns} />
            </tr>
          </thead>
          <tbody>
            {result.rows.map((row, index) => (
              <tr key={index}>
                {row.map((value, at) => (
                  <Cell key={at} value={value} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      ) : null}
    </div>
  );
}
