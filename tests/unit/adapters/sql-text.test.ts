import { describe, expect, it } from 'vitest';
import { kindOfCode } from '../../../src/engine/sql-codes.ts';
import { parameterProblem, statementProblem, statementShape, type StatementShape } from '../../../src/engine/sql-text.ts';
import { MIGRATIONS } from '../../../src/engine/storage/schema.ts';
import { toSqlError } from '../../../src/adapters/node-sqlite/errors.ts';
import { toStorageError } from '../../../src/adapters/sqljs/errors.ts';
import { journalled, varies } from '../../../src/adapters/sqljs/memory.ts';

describe('what the text of a statement says', () => {
  const shape = (
    verb: string,
    placeholders: number | null,
    mayWrite: boolean,
    more = false,
    actingPragma: string | null = null,
  ): StatementShape => ({ verb, placeholders, more, mayWrite, actingPragma });
  it.each<[string, StatementShape]>([
    ['SELECT 1', shape('SELECT', 0, false)],
    ['select \'?\', "?", `?`, [?], ? -- ?\n/* ? */', shape('SELECT', 1, false)],
    ["SELECT 'it''s ?', ?", shape('SELECT', 1, false)],
    ['SELECT ?1, ?1', shape('SELECT', null, false)],
    ['SELECT :a, @b, $c', shape('SELECT', null, false)],
    ["SELECT a ->> '$.x', b -> ? FROM t", shape('SELECT', 1, false)],
    ['VALUES (?, ?)', shape('VALUES', 2, false)],
    ['WITH x AS (SELECT 1) SELECT * FROM x', shape('WITH', 0, false)],
    ['WITH x AS (SELECT 1) insert into t SELECT * FROM x', shape('WITH', 0, true)],
    ["WITH x AS (SELECT 'delete') SELECT * FROM x", shape('WITH', 0, false)],
    ['PRAGMA user_version', shape('PRAGMA', 0, true)],
    ['EXPLAIN DELETE FROM t', shape('EXPLAIN', 0, false)],
    ['PRAGMA user_version = 9', shape('PRAGMA', 0, true, false, 'user_version')],
    ['EXPLAIN QUERY PLAN PRAGMA main.Foreign_Keys(0)', shape('EXPLAIN', 0, true, false, 'foreign_keys')],
    ['EXPLAIN PRAGMA table_info(t)', shape('EXPLAIN', 0, false)],
    ['SELECT * FROM "Pragma_optimize"(65538)', shape('SELECT', 0, true)],
    ['SELECT * FROM pragma_table_info(?)', shape('SELECT', 1, false)],
    ['  /* a; b */ DELETE FROM t; -- done;', shape('DELETE', 0, true)],
    ['DELETE FROM t;;', shape('DELETE', 0, true)],
    ['DELETE FROM t; DROP TABLE t', shape('DELETE', 0, true, true)],
    ['CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM t; SELECT 1; END', shape('CREATE', 0, true)],
    ['CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM t; END;', shape('CREATE', 0, true)],
    ['CREATE TABLE trigger_log (a); DROP TABLE t', shape('CREATE', 0, true, true)],
    ['', shape('', 0, true)],
    ['-- nothing', shape('', 0, true)],
    [';', shape('', 0, true)],
    ["SELECT 'unfinished", shape('SELECT', 0, false)],
  ])('%s', (sql, expected) => {
    expect(statementShape(sql)).toEqual(expected);
  });

  it.each<[string, 'query' | 'batch', RegExp | null]>([
    ['SELECT 1', 'query', null],
    ['SELECT 1', 'batch', null],
    ['INSERT INTO t VALUES (1)', 'batch', null],
    ['INSERT INTO t VALUES (1)', 'query', /use a batch/],
    ['begin', 'batch', /one transaction/],
    ['ROLLBACK TO x', 'batch', /one transaction/],
    ['SELECT 1; SELECT 2', 'query', /more than one/],
    [' ', 'batch', /no statement/],
    ['PRAGMA user_version', 'query', null],
    ['PRAGMA main.journal_mode -- = (', 'query', null],
    ['PRAGMA table_info(t)', 'query', null],
    ['/* = */ pragma "main" . [Index_List] (t)', 'query', null],
    ["PRAGMA foreign_key_check = 't'", 'query', null],
    ['PRAGMA user_version = 9', 'query', /user_version.*use a batch/],
    ['PRAGMA user_version = 9', 'batch', null],
    ['pragma main.`foreign_keys`(off)', 'query', /foreign_keys/],
    ["pragma 'query_only'==off", 'query', /query_only/],
    ['PRAGMA not_known_yet(1)', 'query', /not_known_yet/],
    ['PRAGMA incremental_vacuum', 'query', /incremental_vacuum/],
    ['PRAGMA main.optimize', 'query', /optimize/],
    ['EXPLAIN PRAGMA foreign_keys = off', 'query', /foreign_keys/],
    ['explain query plan pragma main.foreign_keys(off)', 'query', /foreign_keys/],
    ['PRAGMA', 'query', null],
  ])('%s in a %s', (sql, use, problem) => {
    const found = statementProblem(statementShape(sql), use);
    if (problem) expect(found).toMatch(problem);
    else expect(found).toBeNull();
  });

  it('parameters that do not fit are named', () => {
    const two = statementShape('SELECT ?, ?');
    expect(parameterProblem(two, [1, null])).toBeNull();
    expect(parameterProblem(two, [1])).toMatch('2 parameters and was given 1');
    expect(parameterProblem(two, [1, undefined])).toMatch('parameter 2 is undefined');
    expect(parameterProblem(two, [Number.NaN, 1])).toMatch('parameter 1 is NaN');
    expect(parameterProblem(statementShape('SELECT ?1, ?1'), ['x'])).toBeNull();
  });
});

describe('failures in the port’s words', () => {
  it.each([
    [5, 'busy'],
    [261, 'busy'],
    [6, 'busy'],
    [8, 'readonly'],
    [10, 'io'],
    [3338, 'io'],
    [11, 'corrupt'],
    [13, 'full'],
    [14, 'io'],
    [19, 'constraint'],
    [1555, 'constraint'],
    [20, 'constraint'],
    [26, 'corrupt'],
    [1, 'other'],
  ])('SQLite %i is %s', (code, kind) => {
    expect(kindOfCode(code)).toBe(kind);
    expect(toSqlError(Object.assign(new Error('m'), { errcode: code }), '/x')).toMatchObject({
      kind,
      message: expect.stringContaining('/x'),
    });
  });
  it.each([
    ['ENOSPC', 'full'],
    ['EDQUOT', 'full'],
    ['EACCES', 'readonly'],
    ['EROFS', 'readonly'],
    ['ENOTDIR', 'io'],
    ['EISDIR', 'io'],
    ['ERR_INVALID_ARG_TYPE', 'other'],
    [undefined, 'other'],
  ])('%s is %s', (code, kind) => {
    expect(toSqlError(Object.assign(new Error('m'), { code }), '/x').kind).toBe(kind);
  });
  it.each([
    ['QuotaExceededError', 'full'],
    ['DataCloneError', 'other'],
    ['AbortError', 'io'],
    ['InvalidStateError', 'io'],
  ])('IndexedDB’s %s is %s', (name, kind) => {
    expect(toStorageError(new DOMException('m', name), 'x').kind).toBe(kind);
  });
});

describe('what the journal keeps', () => {
  it.each([
    ['SELECT 1', false],
    ['EXPLAIN DELETE FROM t', false],
    ['PRAGMA user_version', false],
    ['PRAGMA user_version = 2', true],
    ['PRAGMA user_version -- =', false],
    ['PRAGMA table_info(t)', false],
    ['PRAGMA incremental_vacuum', true],
    ['EXPLAIN PRAGMA ignore_check_constraints = on', true],
    ['SELECT * FROM pragma_optimize', true],
    ['WITH x AS (SELECT 1) SELECT * FROM x', false],
    ['WITH x AS (SELECT 1) DELETE FROM t', true],
    ['UPDATE t SET a = 1', true],
    ['CREATE TABLE t (a)', true],
  ])('%s: %s', (sql, kept) => {
    expect(journalled(statementShape(sql))).toBe(kept);
  });

  it.each([
    ['INSERT INTO t VALUES (?)', true],
    ["UPDATE t SET date = 'x', time = ?", true],
    ['INSERT INTO time (a) SELECT 1', true],
    ['INSERT INTO t VALUES (random())', false],
    ['INSERT INTO t VALUES (CURRENT_TIMESTAMP)', false],
    ["INSERT INTO t VALUES (datetime ('now'))", false],
    ['CREATE TABLE t (at INTEGER DEFAULT (unixepoch()))', false],
    ['INSERT INTO t SELECT hex(randomblob(4))', false],
  ])('%s comes out the same again: %s', (sql, same) => {
    expect(varies(sql)).toBe(!same);
  });

  it('the engine’s own schema can be replayed', () => {
    expect(MIGRATIONS.flatMap(({ statements }) => statements).filter(varies)).toEqual([]);
  });
});
