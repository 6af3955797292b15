/** Tables and columns, read from the statements that create them. */
interface Table {
  readonly name: string;
  /** Types with constraints, as written. */
  readonly columns: { readonly name: string; readonly type: string; readonly comment: string }[];
  /** Constraints of the table and its indexes, as written. */
  readonly rules: string[];
}

const STATEMENT =
  /^CREATE TABLE (?<created>\w+) \(\n(?<lines>[\s\S]+)\n\)[^)]*$|^ALTER TABLE (?<altered>\w+) ADD COLUMN (?<column>[\s\S]+)$|^CREATE (?<index>(?:UNIQUE )?INDEX \w+ ON (?<indexed>\w+) .*)/s;
const CONSTRAINT = /^(PRIMARY KEY|FOREIGN KEY|UNIQUE|CHECK)\b/;

/** What all migrations leave. Throws at a statement it cannot read: better no page than a wrong one. */
export function tablesOf(migrations: readonly { readonly statements: readonly string[] }[]): readonly Table[] {
  const tables = new Map<string, Table>();
  for (const statement of migrations.flatMap((migration) => migration.statements)) {
    const { created, lines = '', altered, column, index, indexed } = STATEMENT.exec(statement)?.groups ?? {};
    if (created) tables.set(created, { name: created, columns: [], rules: [] });
    const table = tables.get(created ?? altered ?? indexed ?? '');
    if (!table) throw new Error(`The schema page cannot read the statement: ${statement.slice(0, 60)}`);
    const own = lines.split('\n').map((line) => line.trim());
    table.columns.push(...[...own, column ?? ''].filter((line) => line && !CONSTRAINT.test(line)).map(columnOf));
    table.rules.push(...own.filter((line) => CONSTRAINT.test(line)).map((line) => line.replace(/,$/, '')), ...(index ? [index] : []));
  }
  return [...tables.values()];
}

function columnOf(line: string): Table['columns'][number] {
  const [definition = '', comment = ''] = line.split(/--|\/\*|\*\//).map((part) => part.trim());
  const [, name, type] = /^(\w+)\s+(.+?),?$/.exec(definition) ?? [];
  if (!name || !type) throw new Error(`The schema page cannot read the column: ${line}`);
  return { name, type, comment };
}
