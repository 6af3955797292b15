/** What the docs read out of the source: regions, declarations, the schema, limits. */
import { expect, test } from 'vitest';
import { MIGRATIONS } from '../../../src/engine/storage/schema.ts';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { DEFAULT_LIMITS } from '../../../src/engine/limits.ts';
import { BRIDGE_LIMITS } from '../../../src/bridge/limits.ts';
import { RESUME_CASES } from '../../../src/engine/resume/cases.ts';
import { agentPages } from '../../../src/site/lib/agent-pages.ts';
import { limits } from '../../../src/site/components/tables.ts';
import { amount } from '../../../src/site/lib/amount.ts';
import { compatRecords } from '../../../src/site/lib/compat-records.ts';
import { figure, membersOf } from '../../../src/site/lib/declarations.ts';
import { regionOf } from '../../../src/site/lib/regions.ts';
import { caseRow } from '../../../src/site/lib/resume-cases.ts';
import { tablesOf } from '../../../src/site/lib/schema.ts';
import { declarationLine, locate } from '../../../src/site/lib/source.ts';

const SOURCE = `// #region a
import x from 'x';
// #endregion a
const hidden = 1;
function f() {
  // #region b
  if (x) {
    return hidden;
  }
  // #endregion b
}
// #region a
f();
// #endregion a
`;

test.each([
  ['b', 'if (x) {\n  return hidden;\n}'],
  ['a', "import x from 'x';\n\nf();"],
])('region %s of a sample', (name, expected) => {
  expect(regionOf(SOURCE, name, 'sample.ts')).toBe(expected);
});

test('a whole file is shown without its markers', () => {
  expect(regionOf(SOURCE, undefined, 'sample.ts')).not.toContain('#region');
});

test.each(['missing', 'open'])('a region that is %s stops the build', (name) => {
  expect(() => regionOf('// #region open\nlet x;\n', name, 'sample.ts')).toThrow(/sample\.ts has no region/);
});

test.each([
  ['export async function go(', 'go'],
  ['export interface Thing {', 'Thing'],
  ['  readonly field: string;', 'field'],
  ['export const LIST = [', 'LIST'],
  ['export class Store {', 'Store'],
  ['export type Kind =', 'Kind'],
  ['  launch(spec: Spec): void;', 'launch'],
])('%j declares %s', (line, symbol) => {
  expect(declarationLine(`// before\n${line}\n`, symbol)).toBe(2);
});

test('a symbol or file that is gone stops the build', () => {
  expect(locate('src/engine/errors.ts', 'ERROR_CODES')).toBeGreaterThan(0);
  expect(() => locate('src/engine/errors.ts', 'NoSuchThing')).toThrow(/does not declare it/);
  expect(() => locate('src/engine/none.ts')).toThrow(/does not exist/);
});

test('members come with type, optionality and docstring, nested objects flattened', () => {
  const members = membersOf('src/engine/types.ts', 'ResumeReport');
  expect(members.map((member) => member.name)).toContain('replay.matched');
  expect(members.find((member) => member.name === 'agentMs')?.doc).toMatch(/waiting for the agent/);
  expect(membersOf('src/engine/types.ts', 'PromptResult').find((member) => member.name === 'repeated')?.optional).toBe(true);
});

test.each([
  ['src/engine/limits.ts', 'Limits', DEFAULT_LIMITS],
  ['src/bridge/limits.ts', 'BridgeLimits', BRIDGE_LIMITS],
])('the limits shown of %s are those the code uses', (file, name, values) => {
  const shown = limits(file, name).rows.map((row) => (row as readonly string[]).slice(0, 2));
  expect(shown).toEqual(Object.entries(values).map(([limit, value]) => [`\`${limit}\``, amount(limit, value)]));
});

test.each([
  ['src/engine/limits.ts', 'leaseMs', '10 s'],
  ['src/engine/sessions/arguments.ts', 'METADATA_BYTES', '16 KiB'],
])('in prose the number of %s called %s is %s', (file, name, said) => {
  expect(figure(file, name)).toBe(said);
});

test.each(['goneMs', 'Limits'])('a number %s that is not in the source stops the build', (name) => {
  expect(() => figure('src/engine/limits.ts', name)).toThrow(/has 0 of that name/);
});

test('the schema page has the tables and columns that SQLite has after the migrations', async () => {
  const database = await openNodeSqlite(':memory:');
  for (const migration of MIGRATIONS) await database.batch(migration.statements.map((sql) => ({ sql })));
  const rows = await database.query(
    `SELECT t.name AS table_name, c.name AS column_name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.rowid, c.cid`,
  );
  await database.close();
  const shown = tablesOf(MIGRATIONS).flatMap((table) => table.columns.map((column) => `${table.name}.${column.name}`));
  expect(shown).toEqual(rows.map((row) => `${String(row['table_name'])}.${String(row['column_name'])}`));
});

test('a statement the schema page cannot read stops the build', () => {
  expect(() => tablesOf([{ statements: ['DROP TABLE acp_turns'] }])).toThrow(/cannot read/);
});

test.each([
  ['initializeMs', 60_000, '60 s'],
  ['replayQuietMs', 250, '250 ms'],
  ['idleMs', 12 * 3_600_000, '12 h'],
  ['messageBytes', 32 * 1024 * 1024, '32 MiB'],
  ['transcriptBytes', 65_536, '64 KiB'],
  ['toolExcerptBytes', 600, '600 bytes'],
  ['queuedEvents', 1_000, '1,000'],
])('%s %d is %s', (name, value, expected) => {
  expect(amount(name, value)).toBe(expected);
});

test('two cases of the decision that read the same would be one', () => {
  const rows = RESUME_CASES.map(caseRow).map((row) => JSON.stringify(row[0]));
  expect(new Set(rows).size).toBe(rows.length);
});

test.each(compatRecords.map((record, at) => [record.name, record, agentPages[at]!] as const))(
  'the page of %s has its exact commands, each check with its outcome, and what it said of a refusal unchanged',
  (_, record, { body }) => {
    expect(body).toContain(`rehydrate chat --session work -- ${record.command}`);
    expect(body).toContain(`npx -p acp-rehydrate rehydrate doctor -- ${record.command}`);
    for (const { id } of record.report.checks) expect(body, id).toContain(`\`${id}\``);
    // A bar in what was said would make a cell of its own.
    const rows = body.slice(body.indexOf('## Evidence')).match(/^\| .*$/gm)!;
    expect(rows.map((line) => line.split(/(?<!\\)\|/).length)).toEqual(rows.map(() => 5));
  },
);
