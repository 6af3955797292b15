/** Tables and columns, read from the statements that create them. */
export interface Column {
  readonly name: string;
  /** Type and constraints, as written. */
  readonly type: string;
  readonly comment: string;
}
export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  /** Table constraints, as written. */
  readonly constraints: readonly string[];
  readonly indexes: readonly string[];
}

const CREATE = /^CREATE TABLE (\w+) \(\n([\s\S]+)\n\)[^)]*$/;
const ALTER = /^ALTER TABLE (\w+) ADD COLUMN ([\s\S]+)$/;
const INDEX = /^CREATE (?:UNIQUE )?INDEX \w+ ON (\w+) /;

/** What the migrations, run one after the other, leave. Throws at a statement it cannot read: better no page than a wrong one. */
export function tablesOf(migrations: readonly { readonly statements: readonly string[] }[]): readonly Table[] {
  const tables = new Map<string, { columns: Column[]; constraints: string[]; indexes: string[] }>();
  const table = (name: string) => {
    const found = tables.get(name);
    if (!found) throw new Error(`A migration changes ${name} before it is created.`);
    return found;
  };
  for (const statement of migrations.flatMap((migration) => migration.statements)) {
    const create = CREATE.exec(statement);
    const alter = ALTER.exec(statement);
    const index = INDEX.exec(statement);
    if (create) {
      const lines = create[2]!.split('\n').map((line) => line.trim());
      const constraint = /^(PRIMARY KEY|FOREIGN KEY|UNIQUE|CHECK)\b/;
      tables.set(create[1]!, {
        columns: lines.filter((line) => !constraint.test(line)).map(columnOf),
        constraints: lines.filter((line) => constraint.test(line)).map((line) => line.replace(/,$/, '')),
        indexes: [],
      });
    } else if (alter) table(alter[1]!).columns.push(columnOf(alter[2]!));
    else if (index) table(index[1]!).indexes.push(statement.replace(/^CREATE /, ''));
    else throw new Error(`The schema page cannot read the statement: ${statement.slice(0, 60)}`);
  }
  return [...tables].map(([name, rest]) => ({ name, ...rest }));
}

function columnOf(line: string): Column {
  const [definition = '', comment = ''] = line.split(/--|\/\*|\*\//).map((part) => part.trim());
  const match = /^(\w+)\s+(.+?),?$/.exec(definition);
  if (!match) throw new Error(`The schema page cannot read the column: ${line}`);
  return { name: match[1]!, type: match[2]!, comment };
}
