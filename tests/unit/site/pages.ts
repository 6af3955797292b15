import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const DOCS = path.resolve(import.meta.dirname, '../../../content/docs');

/** Every page under content/docs with its source text. */
export function docsPages(): readonly (readonly [file: string, text: string])[] {
  return readdirSync(DOCS, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.mdx?$/.test(file))
    .sort()
    .map((file) => [file, readFileSync(path.join(DOCS, file), 'utf8')] as const);
}
