/** Which pages the library reference has, without reading the source: the sidebar needs to know. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

export interface Entry {
  /** The subpath of the package: `.`, `./stdio`. */
  readonly name: string;
  readonly file: string;
}

/** The package's entries whose source is there. */
export function entriesOf(root: string): readonly Entry[] {
  const { exports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, { default?: string } | string>;
  };
  return Object.entries(exports).flatMap(([name, target]) => {
    if (typeof target === 'string' || !target.default) return [];
    const file = target.default.replace(/^\.\/dist\//, 'src/').replace(/\.js$/, '.ts');
    return existsSync(path.join(root, file)) ? [{ name, file }] : [];
  });
}

export function slugOf(entry: string): string {
  return entry === '.' ? 'host' : entry.slice(2);
}

/** Entries with so many types that those have a page of their own. */
export const SPLIT: ReadonlySet<string> = new Set(['./bridge', './testing']);

/** The slugs of the generated pages, in reading order. */
export function apiSlugs(root: string): readonly string[] {
  return entriesOf(root).flatMap(({ name }) => slugsOf(name).map((slug) => `reference/library/${slug}`));
}

function slugsOf(entry: string): readonly string[] {
  if (entry === '.') return ['host', 'create-host', 'functions', 'ports', 'database-port', 'types'];
  return SPLIT.has(entry) ? [slugOf(entry), `${slugOf(entry)}-types`] : [slugOf(entry)];
}
