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
  const files = readdirSync(path.join(root, 'tests'), { recursive: true, encoding: 'utf8' }).filter((file) => /\.(test|spec)\.ts$/.test(file) && !file.includes('node_modules'));
  const names = files.flatMap((file) => {
    const text = readFileSync(path.join(root, 'tests', file), 'utf8');
    return [...text.matchAll(/\b(?:it|test|describe)(?:\.\w+)*(?:\([^'"`]*\))?\(\s*(['"`])((?:(?!\1).)*)\1/g)].map((match) => ({ file: `tests/${file}`, name: match[2]! }));
  });
  return INVARIANTS.map((id) => {
    const named = names.filter(({ name }) => new RegExp(`\\b${id}\\b`).test(name));
    return { id, tests: named.length, files: [...new Set(named.map(({ file }) => file))].sort() };
  });
}
