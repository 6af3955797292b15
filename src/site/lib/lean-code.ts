/**
 * Expressive Code writes both themes' colours on every token, and the whole code again on its copy button. Here tokens have short classes,
 * plain text none, and copy-element.ts adds the button: a third less HTML on pages with code, and no dead button without JavaScript.
 */
import type { ExpressiveCodePlugin } from 'astro-expressive-code';

/** Starlight's colours, dark and light, by our class; colours that only neighbours set apart share one. Rare ones keep their style. */
const CLASSES: Readonly<Record<string, readonly string[]>> = {
  tk: ['#C792EA #8844AE'], // keyword
  ts: ['#ECC48D #984E4D', '#D9F5DD #111111'], // string, its quotes
  tf: ['#82AAFF #3B61B0'], // function
  tc: ['#919F9F #5F636F', '#919F9F #5D6376'], // comment, the first of its block
  tt: ['#C5E478 #3B61B0'], // type
  to: ['#7FDBCA #096E72'], // operator, property
  tn: ['#F78C6C #AA0982'], // number
  ty: ['#FFCB8B #111111'], // type name
  ta: ['#ECC48D #3B61B0'], // argument
  tl: ['#E2817F #B23834'], // literal
};
const CLASS_OF = new Map(Object.entries(CLASSES).flatMap(([name, pairs]) => pairs.map((pair) => [pair, name] as const)));
/** The text's own colour, and those that nobody can tell from it. */
const PLAIN = ['#D6DEEB #403F53', '#D7DBE0 #403F53', '#D6DEEB', '#D7DBE0'];

interface Node {
  type: string;
  tagName?: string;
  properties?: Record<string, unknown>;
  children?: Node[];
  value?: string;
}

const only = (node: Node | undefined, name: string): string | undefined => {
  const given = Object.entries(node?.properties ?? {}).filter(([, value]) => value !== undefined);
  return given.length === 1 && given[0]![0] === name ? String(given[0]![1]) : undefined;
};

function slim(node: Node): void {
  const kept: Node[] = [];
  for (const child of node.children ?? []) {
    slim(child);
    const style = child.tagName === 'span' ? child.properties?.['style'] : undefined;
    const colours = typeof style === 'string' ? style.replace(/--[01]:|;$/g, '').replace(';', ' ') : '';
    const name = CLASS_OF.get(colours);
    const inner = child.children ?? [];
    const isBlank = inner.every(({ type, value }) => type === 'text' && !value?.trim());
    if (only(child, 'style') && (PLAIN.includes(colours) || (name && isBlank))) {
      kept.push(...inner);
      continue;
    }
    if (name) child.properties = { ...child.properties, style: undefined, className: [name] };
    const [last, own] = [kept.at(-1), only(child, 'className')];
    if (last && own && own in CLASSES && own === only(last, 'className')) last.children?.push(...inner);
    else kept.push(child);
  }
  if (node.children) node.children = kept;
}

export function leanCode(): ExpressiveCodePlugin {
  return {
    name: 'lean-code',
    hooks: { postprocessRenderedBlock: ({ renderData }) => slim(renderData.blockAst as Node) },
    baseStyles: Object.entries(CLASSES)
      .map(([name, [pair = '']]) => `.${name}{color:light-dark(${pair.split(' ').reverse().join()})}`)
      .join(''),
  };
}
