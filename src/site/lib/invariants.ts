/** Finds the tests that are named after an invariant: `I4 never forgets …`. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const INVARIANTS = Array.from({ length: 12 }, (_, i) => `I${i + 1}`);

export interface InvariantTests {
  readonly id: string;
  readonly tests: number;
  readonly files: readonly string[];
}

export function invariantTests(root: string): readonly InvariantTests[] {
  const files = testFiles(path.join(root, 'tests'));
  const names = files.flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    return [...text.matchAll(/\b(?:it|test|describe)(?:\.\w+)*(?:\([^'"`]*\))?\(\s*(['"`])((?:(?!\1).)*)\1/g)].map((match) => ({
      file: path.relative(root, file),
      name: match[2]!,
    }));
  });
  return INVARIANTS.map((id) => {
    const named = names.filter(({ name }) => new RegExp(`\\b${id}\\b`).test(name));
    return { id, tests: named.length, files: [...new Set(named.map(({ file }) => file))].sort() };
  });
}

function testFiles(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const full = path.join(directory, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : testFiles(full);
    return /\.(test|spec)\.ts$/.test(entry.name) ? [full] : [];
  });
}
