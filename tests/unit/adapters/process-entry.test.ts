import { describe, expect, it } from 'vitest';
import { parsePs, parseStat } from '../../../src/adapters/stdio/process-table.ts';

describe('what the platform says about a process', () => {
  const stat = (name: string, state: string): string =>
    `77 (${name}) ${state} 1 76 77 0 -1 4194560 1 0 0 0 1 0 0 0 20 0 1 0 4711 1000 1 18446744073709551615\n`;
  const entry = { pid: 77, ppid: 1, pgid: 76, startTime: '4711', zombie: false };
  it.each([
    ['running', stat('node', 'S'), entry],
    ['a name with spaces and parentheses', stat('a) Z 1 (b', 'R'), entry],
    ['a zombie', stat('node', 'Z'), { ...entry, zombie: true }],
    ['dead', stat('node', 'X'), { ...entry, zombie: true }],
    ['dead, as an older kernel says it', stat('node', 'x'), { ...entry, zombie: true }],
    ['empty', '', null],
    ['cut short', '77 (node) S 1 77', null],
    ['something else', 'no such (process)', null],
  ])('/proc stat: %s', (_name, text, expected) => {
    expect(parseStat(text)).toEqual(expected);
  });

  it('ps: processes, zombies, and lines that are neither', () => {
    expect(
      parsePs('    1     0     1 Ss   Mon Nov  2 10:00:00 2026    \n  501     1   500 Z+   Mon Nov 22 10:00:01 2026\nps: warning\n\n'),
    ).toEqual([
      { pid: 1, ppid: 0, pgid: 1, startTime: 'Mon Nov 2 10:00:00 2026', zombie: false },
      { pid: 501, ppid: 1, pgid: 500, startTime: 'Mon Nov 22 10:00:01 2026', zombie: true },
    ]);
    expect(parsePs('')).toEqual([]);
  });
});
