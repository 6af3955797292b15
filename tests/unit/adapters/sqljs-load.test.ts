import { describe, expect, test } from 'vitest';
import { loadProblem } from '../../../src/adapters/sqljs/module.ts';

describe('what is said when sql.js cannot be loaded', () => {
  const missing: [where: string, message: string][] = [
    ['Node', "Cannot find package 'sql.js' imported from /app/node_modules/acp-rehydrate/dist/adapters/sqljs/module.js"],
    ['Chromium', "Failed to resolve module specifier 'sql.js'"],
    ['Firefox', 'The specifier “sql.js” was a bare specifier, but was not remapped to anything.'],
    ['WebKit', "Module name, 'sql.js' does not resolve to a valid URL."],
    ['Vite', 'Could not resolve "sql.js" imported by "acp-rehydrate". Is it installed?'],
  ];
  test.each(missing)('a package that is missing, in the words of %s: what to install', (_, message) => {
    expect(loadProblem(new TypeError(message))).toMatch(/^sql\.js is not installed; .*npm install sql\.js/);
    expect(loadProblem(new TypeError(message))).toContain(message);
  });

  test.each(['Aborted(both async and sync fetching of the wasm failed)', '404', "Cannot find module 'sql.js-helper'"])(
    'anything else is no matter of installing: %s',
    (message) => {
      expect(loadProblem(new Error(message))).toMatch(/^sql\.js could not be loaded \(.*locateFile/);
    },
  );
});
