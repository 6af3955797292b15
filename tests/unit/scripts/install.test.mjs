import { describe, expect, test } from 'vitest';
import { notInstalled } from '../../../scripts/support/setup.mjs';

const lock = {
  packages: {
    '': { name: 'x' },
    'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
    'node_modules/b-other-platform': { version: '1.0.0', optional: true },
  },
};

describe('the set-up installs exactly when something differs from the lockfile', () => {
  test.each([
    ['nothing installed', null, 'node_modules'],
    ['in step, without another platform’s package', { packages: { 'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' } } }, null],
    [
      'with a package more',
      { packages: { 'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' }, 'node_modules/z': { version: '9.0.0' } } },
      null,
    ],
    ['a package missing', { packages: {} }, 'node_modules/a'],
    ['another version', { packages: { 'node_modules/a': { version: '1.0.1' } } }, 'node_modules/a'],
    [
      'the same version, another content',
      { packages: { 'node_modules/a': { version: '1.0.0', integrity: 'sha512-z' } } },
      'node_modules/a',
    ],
  ])('%s', (_what, installed, difference) => {
    expect(notInstalled(lock, installed)).toBe(difference);
  });
});
