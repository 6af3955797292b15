import { describe, expect, it } from 'vitest';
import {
  MARK,
  type ProcessEntry,
  environHasMark,
  isOfMark,
  psProcesses,
  readProcesses,
} from '../../../src/adapters/stdio/process-table.ts';
import { cwdProblem, startProblem } from '../../../src/adapters/stdio/start-problem.ts';
import { membersOf } from '../../../src/adapters/stdio/tree.ts';

const entry = (pid: number, ppid: number, pgid: number, more: Partial<ProcessEntry> = {}): ProcessEntry => ({
  pid,
  ppid,
  pgid,
  startTime: String(pid),
  zombie: false,
  ...more,
});

describe('membersOf', () => {
  const none = new Map<number, string>();
  const pids = (processes: ProcessEntry[], known = none, marked: number[] = []): number[] =>
    membersOf(processes, { pgid: 10, start: '10', known, marked: (pid) => marked.includes(pid) }).map(({ pid }) => pid);

  const rows: [string, ProcessEntry[], Map<number, string>, number[], number[]][] = [
    ['the group', [entry(1, 0, 1), entry(10, 1, 10), entry(11, 10, 10), entry(20, 1, 20)], none, [], [10, 11]],
    ['the group without its leader', [entry(11, 1, 10)], none, [], [11]],
    ['a child in a group of its own', [entry(10, 1, 10), entry(30, 10, 30)], none, [], [10, 30]],
    ['that child’s children', [entry(10, 1, 10), entry(30, 10, 30), entry(31, 30, 31)], none, [], [10, 30, 31]],
    ['a daemon that carries the mark', [entry(10, 1, 10), entry(40, 1, 40)], none, [40], [10, 40]],
    ['what a marked daemon started', [entry(40, 1, 40), entry(41, 40, 41)], none, [40], [40, 41]],
    ['what was known before', [entry(50, 1, 50)], new Map([[50, '50']]), [], [50]],
    ['not another process with a known one’s pid', [entry(50, 1, 50, { startTime: 'later' })], new Map([[50, '50']]), [], []],
    ['no zombies', [entry(10, 1, 10, { zombie: true })], none, [], []],
    ['children of a zombie', [entry(10, 1, 10, { zombie: true }), entry(12, 10, 12)], none, [], [12]],
    ['I7, no bystander: not a group that has the id again',
      [entry(10, 1, 10, { startTime: 'later' }), entry(13, 10, 10), entry(14, 1, 40)], none, [14], [14]], // prettier-ignore
    ['nobody else', [entry(1, 0, 1), entry(60, 1, 60)], none, [], []],
  ];
  it.each(rows)('%s', (_name, processes, known, marked, expected) => {
    expect(pids(processes, known, marked)).toEqual(expected);
  });
});

describe('the process table', () => {
  it.skipIf(process.platform === 'win32')('finds this process both ways', async () => {
    for (const table of [await readProcesses(), await psProcesses()]) {
      expect(table.find(({ pid }) => pid === process.pid)).toMatchObject({ ppid: process.ppid, zombie: false });
    }
  });

  it('finds a mark among the variables, also behind an outer host’s', () => {
    const environ = `PATH=/bin\0X${MARK}=aa.1\0${MARK}=aa.1,bb.2\0`;
    expect(['aa.1', 'bb.2', 'bb', 'cc', 'a.1'].map((mark) => environHasMark(environ, mark))).toEqual([true, true, true, false, false]);
  });

  it.each([
    ['aa.1', 'aa.1', true],
    ['aa.10', 'aa.1', false],
    ['aa.1z', 'aa.1', false],
    ['aa.1', 'aa.10', false],
    ['aa.1', 'aa', true],
    ['aa.1z', 'aa', true],
    ['aab.1', 'aa', false],
    ['a.1', 'aa', false],
    ['aa', 'aa', true],
    ['aa', 'aa.1', false],
    ['aa.1', 'aa.', false],
    ['.1', '', false],
    ['', '', false],
    ['aa.1.2', 'aa.1', false],
    ['bb.aa', 'aa', false],
  ])('I7, no bystander: %s of %s: %s', (token, mark, expected) => {
    expect(isOfMark(token, mark)).toBe(expected);
  });
});

describe('why an agent could not start', () => {
  const spec = { name: 'a', command: '/bin/thing', cwd: '/x' };
  const command = { what: 'command', cwd: '/x' } as const;
  it.each(['ENOENT', 'EACCES', 'ENOEXEC', 'ENOTDIR', 'ENAMETOOLONG', 'E2BIG', 'EAGAIN', 'EMFILE', 'EOTHER'])('%s', (code) => {
    const error = startProblem(spec, Object.assign(new Error('spawn failed'), { code }));
    expect(error).toMatchObject({ code: 'agent_start_failed', data: { agent: 'a', cause: code } });
    expect(error.message).toContain("'a'");
    expect(error.message).toContain('/bin/thing');
  });

  it('a working directory that is gone, a file, or out of reach', () => {
    const failing = (code: string) => () => {
      throw Object.assign(new Error(code), { code });
    };
    expect(cwdProblem({ name: 'a', cwd: '/x' }, () => true)).toBeNull();
    expect(cwdProblem({ name: 'a', cwd: '/x' }, () => false)?.message).toContain('is not a directory');
    expect(cwdProblem({ name: 'a', cwd: '/x' }, failing('ENOENT'))?.message).toContain('does not exist');
    expect(cwdProblem({ name: 'a', cwd: '/x' }, failing('EACCES'))).toMatchObject({
      code: 'cwd_missing',
      message: expect.stringContaining('EACCES') as string,
    });
  });

  it('an agent’s command is called one, and its line is not said twice', () => {
    const failed = startProblem({ ...command, name: 'ls -l', command: '/bin/sh' }, Object.assign(new Error(), { code: 'EACCES' }));
    expect(failed.message).toMatch(/^The command 'ls -l' could not be started: \/bin\/sh: it is not executable/);
    expect(startProblem({ ...command, name: 'ls', command: 'ls' }, Object.assign(new Error(), { code: 'ENOENT' })).message).toMatch(
      /^The command 'ls' could not be started: there is no such program/,
    );
    expect(cwdProblem({ ...command, name: 'ls' }, () => false)?.message).toBe(
      "The working directory /x of the command 'ls' is not a directory. Make it, or name another.",
    );
  });
});
