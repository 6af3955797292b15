/** The built site as the steps after the build see it: pages with their parsed HTML. */
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Element, Root } from 'hast';
import rehypeParse from 'rehype-parse';
import { unified } from 'unified';

export interface BuiltPage {
  /** Path from the root of the site, without the base: `` for home, `guides/client/`, `404.html`. */
  readonly path: string;
  readonly html: string;
  readonly tree: Root;
}

export async function builtPages(site: string): Promise<readonly BuiltPage[]> {
  const parser = unified().use(rehypeParse);
  const files = (await readdir(site, { recursive: true })).filter((file) => file.endsWith('.html')).sort();
  return files.map((file) => {
    const html = readFileSync(path.join(site, file), 'utf8');
    return {
      path: file
        .split(path.sep)
        .join('/')
        .replace(/(^|\/)index\.html$/, '$1'),
      html,
      tree: parser.parse(html),
    };
  });
}

/** Every element of a tree, in order. */
export function* elements(node: Root | Element): Generator<Element> {
  for (const child of node.children) {
    if (child.type !== 'element') continue;
    yield child;
    yield* elements(child);
  }
}

export function attribute(element: Element, name: string): string | undefined {
  const value = element.properties[name];
  return typeof value === 'string' ? value : Array.isArray(value) ? value.join(' ') : undefined;
}

export function hasClass(element: Element, name: string): boolean {
  const value = element.properties['className'];
  return Array.isArray(value) && value.includes(name);
}

export function textOf(node: Element): string {
  return node.children.map((child) => (child.type === 'text' ? child.value : child.type === 'element' ? textOf(child) : '')).join('');
}
