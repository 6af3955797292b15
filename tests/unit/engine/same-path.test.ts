import { expect, test } from 'vitest';
import { isSamePath } from '../../../src/engine/same-path.ts';

test.each([
  ['/a/b', '/a/b', true],
  ['/a/b', '/a//b/./', true],
  ['/', '/.', true],
  ['/a/b', '/a/B', false],
  ['/a/b', '/a/c/../b', false],
  ['/a\\b', '/a/b', false],
  ['C:\\a\\b', 'C:/a/b/', true],
  ['C:\\a', '/C:/a', false],
  ['\\\\server\\share\\a', '\\\\server\\share\\.\\a\\', true],
])('%s and %s: %s', (a, b, same) => {
  expect(isSamePath(a, b)).toBe(same);
});
