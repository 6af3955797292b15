/** The built site with its pages' parsed HTML, for the steps after the build. */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Element, Root } from 'hast';
import rehypeParse from 'rehype-parse';
import { unified } from 'unified';

export interface BuiltPage {
  /** Path from the root of the site, without the base: `` for home, `guides/client/`, `404.html`. */
  readonly path: string;
  readonly file: string;
  readonly html: string;
  readonly tree: Root;
}

export function builtPages(site: string): readonly BuiltPage[] {
  const parser = unified().use(rehypeParse);
  return globSync(path.join(site, '**/*.html'))
    .sort()
    .map((file) => {
      const html = readFileSync(file, 'utf8');
      return { path: path.relative(site, file).replace(/(^|\/)index\.html$/, '$1'), file, html, tree: parser.parse(html) };
    });
}

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

export const hasClass = (element: Element, name: string): boolean => attribute(element, 'className')?.split(' ').includes(name) ?? false;

export function textOf(node: Element): string {
  return node.children.map((child) => (child.type === 'text' ? child.value : child.type === 'element' ? textOf(child) : '')).join('');
}
