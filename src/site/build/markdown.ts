/** The Markdown twin of each page, `llms.txt` and `llms-full.txt`, made from the finished pages, so that programs read what readers see. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Element, Root } from 'hast';
import rehypeRemark, { type Options } from 'rehype-remark';
import remarkGfm from 'remark-gfm';
import remarkStringify from 'remark-stringify';
import { unified } from 'unified';
import { markdownPath } from '../lib/page-paths.ts';
import { attribute, elements, hasClass, textOf, type BuiltPage } from './site.ts';

export interface Twin {
  /** Its page's. */
  readonly path: string;
  readonly file: string;
  readonly title: string;
  readonly description: string;
  readonly markdown: string;
}

/** Writes the twins and both indexes. `order`: page paths in reading order; other pages follow. */
export function writeMarkdown(pages: readonly BuiltPage[], site: string, address: string, order: readonly string[]): readonly Twin[] {
  const place = (twin: Twin) => (order.includes(twin.path) ? order.indexOf(twin.path) : order.length);
  const twins = pages.flatMap((page) => twinOf(page, address) ?? []).sort((a, b) => place(a) - place(b));
  const write = (file: string, text: string) => {
    mkdirSync(path.dirname(path.join(site, file)), { recursive: true });
    writeFileSync(path.join(site, file), `${text.trimEnd()}\n`);
  };
  for (const { file, title, description, markdown } of twins) write(file, `# ${title}\n\n> ${description}\n\n${markdown}`);
  const group = (name: string) => {
    const own = twins.filter((twin) => twin.path.startsWith(`${name.toLowerCase()}/`));
    return `## ${name}\n\n${own.map(({ title, file, description }) => `- [${title}](${address}${file.slice(1)}): ${description}`).join('\n')}`;
  };
  const about = twins.find((twin) => twin.path === '')?.description ?? '';
  const heads = ['# Rehydrate', `> ${about}`, `Everything in one file: ${address}llms-full.txt`];
  write('llms.txt', [...heads, ...['Start', 'Guides', 'Reference'].map(group)].join('\n\n'));
  write('llms-full.txt', twins.map((twin) => `# ${twin.title}\n\nSource: ${address}${twin.path}\n\n${twin.markdown}`).join('\n\n---\n\n'));
  return twins;
}

function twinOf(page: BuiltPage, address: string): Twin | null {
  const file = markdownPath(page.path.replace(/\/$|\.html$/, ''));
  const all = [...elements(page.tree)];
  const content = all.find((element) => hasClass(element, 'sl-markdown-content'));
  const title = all.find((element) => element.tagName === 'h1');
  if (!file || !content || !title) return null;
  const description = all.find((element) => element.tagName === 'meta' && attribute(element, 'name') === 'description');
  return {
    path: page.path,
    file,
    title: textOf(title),
    description: (description && attribute(description, 'content')) ?? '',
    markdown: toMarkdown(content, address + page.path),
  };
}

const isForScreens = (element: Element): boolean =>
  ['script', 'style', 'link', 'button', 'noscript'].includes(element.tagName) ||
  attribute(element, 'ariaHidden') === 'true' ||
  hasClass(element, 'sl-anchor-link') ||
  (element.tagName === 'figcaption' && hasClass(element, 'header'));

/** Brings back what the screen's markup hides. */
const handlers: Options['handlers'] = {
  svg(_, svg: Element) {
    const words = [...elements(svg)].filter(({ tagName }) => tagName === 'title' || tagName === 'desc').map(textOf);
    return words.length > 0 ? { type: 'paragraph', children: [{ type: 'text', value: words.join('. ') }] } : undefined;
  },
  pre(_, pre: Element) {
    const lines = [...elements(pre)].filter((element) => hasClass(element, 'ec-line')).map((line) => textOf(line).replace(/\n$/, ''));
    return {
      type: 'code',
      lang: attribute(pre, 'dataLanguage') ?? '',
      value: (lines.length > 0 ? lines.join('\n') : textOf(pre)).trimEnd(),
    };
  },
  // In a cell it would be joined with the words before it.
  small: (state, small: Element) => [{ type: 'text', value: ' ' }, ...state.all(small)],
  figcaption: (state, caption: Element) => ({ type: 'paragraph', children: [{ type: 'strong', children: state.all(caption) as [] }] }),
};

/** Makes links absolute. */
function toMarkdown(content: Element, address: string): string {
  for (const element of elements(content)) if (isForScreens(element)) element.properties['dataMdast'] = 'ignore';
  const base: Element = { type: 'element', tagName: 'base', properties: { href: address }, children: [] };
  const root: Root = { type: 'root', children: [base, ...content.children] };
  const processor = unified()
    .use(rehypeRemark, { handlers })
    .use(remarkGfm, { tablePipeAlign: false })
    .use(remarkStringify, { bullet: '-', emphasis: '_', rule: '-' });
  return processor.stringify(processor.runSync(root) as unknown as Parameters<typeof processor.stringify>[0]);
}
