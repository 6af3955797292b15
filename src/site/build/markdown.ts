/**
 * The Markdown twin of each page, `llms.txt` and `llms-full.txt`, made from the finished pages: what the reader
 * sees and what a program reads cannot differ.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Element, ElementContent, Root } from 'hast';
import rehypeRemark from 'rehype-remark';
import remarkGfm from 'remark-gfm';
import remarkStringify from 'remark-stringify';
import { unified } from 'unified';
import { markdownPath } from '../lib/markdown-path.ts';
import { attribute, elements, hasClass, textOf, type BuiltPage } from './site.ts';

export interface Twin {
  readonly page: BuiltPage;
  /** `/guides/client.md` */
  readonly file: string;
  readonly title: string;
  readonly description: string;
  readonly markdown: string;
}

/** Writes the twins and the two indexes. `order` are page paths in reading order; others follow. */
export function writeMarkdown(pages: readonly BuiltPage[], site: string, address: string, order: readonly string[]): readonly Twin[] {
  const place = (twin: Twin) => (order.includes(twin.page.path) ? order.indexOf(twin.page.path) : order.length);
  const twins = pages.flatMap((page) => twinOf(page, address) ?? []).sort((a, b) => place(a) - place(b));
  for (const twin of twins) write(site, twin.file, `# ${twin.title}\n\n> ${twin.description}\n\n${twin.markdown}`);
  const home = twins.find((twin) => twin.page.path === '');
  const link = (twin: Twin) => `- [${twin.title}](${address}${twin.file.slice(1)}): ${twin.description}`;
  const listed = twins.filter((twin) => twin !== home);
  const group = (name: string, prefix: string) => [
    `## ${name}`,
    listed
      .filter((twin) => twin.page.path.startsWith(prefix))
      .map(link)
      .join('\n'),
  ];
  write(
    site,
    '/llms.txt',
    [
      '# Rehydrate',
      `> ${home?.description ?? ''}`,
      `Everything in one file: ${address}llms-full.txt`,
      ...group('Start', 'start/'),
      ...group('Guides', 'guides/'),
      ...group('Reference', 'reference/'),
    ].join('\n\n') + '\n',
  );
  write(
    site,
    '/llms-full.txt',
    twins.map((twin) => `# ${twin.title}\n\nSource: ${address}${twin.page.path}\n\n${twin.markdown}`).join('\n\n---\n\n'),
  );
  return twins;
}

function write(site: string, file: string, text: string): void {
  const full = path.join(site, file);
  mkdirSync(path.dirname(full), { recursive: true });
  writeFileSync(full, text.trimEnd() + '\n');
}

function twinOf(page: BuiltPage, address: string): Twin | null {
  const file = markdownPath(page.path.replace(/\/$|\.html$/g, ''));
  const all = [...elements(page.tree)];
  const content = all.find((element) => hasClass(element, 'sl-markdown-content'));
  const title = all.find((element) => element.tagName === 'h1');
  if (!file || !content || !title) return null;
  const description = all.find((element) => element.tagName === 'meta' && attribute(element, 'name') === 'description');
  return {
    page,
    file,
    title: textOf(title),
    description: description ? (attribute(description, 'content') ?? '') : '',
    markdown: toMarkdown(content, address, page.path),
  };
}

export function toMarkdown(content: Element, address: string, pagePath: string): string {
  const root: Root = { type: 'root', children: content.children.flatMap((child) => prepare(child, address, pagePath)) };
  const processor = unified()
    .use(rehypeRemark)
    .use(remarkGfm, { tablePipeAlign: false })
    .use(remarkStringify, { bullet: '-', emphasis: '_', rule: '-' });
  return processor.stringify(processor.runSync(root) as unknown as Parameters<typeof processor.stringify>[0]);
}

/** Takes out what only a screen needs and gives back what the screen's markup hides. */
function prepare(node: ElementContent, address: string, pagePath: string): ElementContent[] {
  if (node.type !== 'element') return [node];
  const within = (element: Element): Element => ({
    ...element,
    children: element.children.flatMap((child) => prepare(child, address, pagePath)),
  });
  if (node.tagName === 'svg') {
    const words = node.children
      .filter((child): child is Element => child.type === 'element' && ['title', 'desc'].includes(child.tagName))
      .map(textOf);
    return words.length > 0
      ? [{ type: 'element', tagName: 'p', properties: {}, children: [{ type: 'text', value: words.join('. ') }] }]
      : [];
  }
  if (['script', 'style', 'link', 'button', 'noscript'].includes(node.tagName)) return [];
  if (attribute(node, 'ariaHidden') === 'true' || hasClass(node, 'sl-anchor-link')) return [];
  if (node.tagName === 'pre') return [codeBlock(node)];
  if (node.tagName === 'figcaption' && hasClass(node, 'header')) return [];
  if (node.tagName === 'small') return [{ type: 'text', value: ' ' }, within(node)];
  const href = node.tagName === 'a' ? attribute(node, 'href') : undefined;
  if (href !== undefined)
    return [
      within({ ...node, properties: { href: new URL(href, `${new URL(address).origin}${new URL(address).pathname}${pagePath}`).href } }),
    ];
  if (node.tagName === 'figcaption')
    return [
      {
        type: 'element',
        tagName: 'p',
        properties: {},
        children: [{ type: 'element', tagName: 'strong', properties: {}, children: within(node).children }],
      },
    ];
  // A code in a span of its own would be joined with the words around it otherwise.
  return [within(node)];
}

function codeBlock(pre: Element): Element {
  const lines = [...elements(pre)].filter((element) => hasClass(element, 'ec-line')).map((line) => textOf(line).replace(/\n$/, ''));
  const language = attribute(pre, 'dataLanguage') ?? '';
  const value = lines.length > 0 ? lines.join('\n') : textOf(pre);
  return {
    type: 'element',
    tagName: 'pre',
    properties: {},
    children: [
      { type: 'element', tagName: 'code', properties: { className: [`language-${language}`] }, children: [{ type: 'text', value }] },
    ],
  };
}
