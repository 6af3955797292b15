/** The tests that are named after a promise: `I4 never forgets …`. */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

export function invariantTests(
  root: string,
): readonly { readonly id: string; readonly tests: number; readonly files: readonly string[] }[] {
  const named = globSync('tests/**/*.{test,spec}.ts', { cwd: root, exclude: ['**/node_modules'] })
    .sort()
    .flatMap((file) => {
      const text = readFileSync(path.join(root, file), 'utf8');
      const names = text.matchAll(/\b(?:it|test|describe)(?:\.\w+)*(?:\([^'"`]*\))?\(\s*(['"`])((?:(?!\1).)*)\1/g);
      return [...names].map(([, , name]) => ({ file, name: name! }));
    });
  return Array.from({ length: 12 }, (_, i) => {
    const id = `I${i + 1}`;
    const own = named.filter(({ name }) => new RegExp(`\\b${id}\\b`).test(name));
    return { id, tests: own.length, files: [...new Set(own.map(({ file }) => file))] };
  });
}
