/**
 * Expressive Code writes both themes' colours on every token and the whole code again on its copy button.
 * This gives tokens short classes instead, leaves plain text bare, joins neighbours of one colour, and the copy button is added in the
 * browser (see copy-element.ts): a third less HTML on pages with code, and no dead button without JavaScript.
 */
import type { ExpressiveCodePlugin } from 'astro-expressive-code';

/** Starlight's code themes, as pairs of dark and light: what is left out is rare and keeps its style. */
const CLASSES: Readonly<Record<string, string>> = {
  '--0:#C792EA;--1:#8844AE': 'tk', // keyword
  '--0:#ECC48D;--1:#984E4D': 'ts', // string
  '--0:#82AAFF;--1:#3B61B0': 'tf', // function
  '--0:#919F9F;--1:#5F636F': 'tc', // comment
  '--0:#C5E478;--1:#3B61B0': 'tt', // type
  '--0:#7FDBCA;--1:#096E72': 'to', // operator, property
  '--0:#F78C6C;--1:#AA0982': 'tn', // number
  '--0:#FFCB8B;--1:#111111': 'ty', // type name
  '--0:#ECC48D;--1:#3B61B0': 'ta', // argument
  '--0:#E2817F;--1:#B23834': 'tl', // literal
};
const TOKENS = new Set(Object.values(CLASSES));
/** What is told from one of those by its neighbours alone: a string's quotes, a comment that is the first of its block. */
const SAME: Readonly<Record<string, string>> = {
  '--0:#D9F5DD;--1:#111111': 'ts',
  '--0:#919F9F;--1:#5D6376': 'tc',
};
/** The text's own colour, or one nobody can tell from it. */
const PLAIN = new Set(['--0:#D6DEEB;--1:#403F53', '--0:#D7DBE0;--1:#403F53', '--0:#D6DEEB', '--0:#D7DBE0']);

interface Node {
  type: string;
  tagName?: string;
  properties?: Record<string, unknown>;
  children?: Node[];
  value?: string;
}

const alone = (properties: Record<string, unknown>): boolean =>
  Object.values(properties).filter((value) => value !== undefined).length === 1;
const isBlank = (node: Node): boolean => (node.children ?? []).every((child) => child.type === 'text' && !child.value?.trim());

/** Whether both are tokens of one class and nothing else, so that one element can hold what is in both. */
function joins(a: Node | undefined, b: Node): boolean {
  const [left, right] = [a, b].map((node) =>
    node?.properties && alone(node.properties) ? String(node.properties['className']) : undefined,
  );
  return left !== undefined && left === right && TOKENS.has(left);
}

function slim(node: Node): void {
  const children = node.children?.flatMap((child) => {
    slim(child);
    const style = child.properties?.['style'];
    if (child.tagName !== 'span' || !child.properties || typeof style !== 'string') return [child];
    const key = style.replace(/;$/, '');
    const name = CLASSES[key] ?? SAME[key];
    if (alone(child.properties) && (PLAIN.has(key) || (name && isBlank(child)))) return child.children ?? [];
    if (name) child.properties = { ...child.properties, style: undefined, className: [name] };
    return [child];
  });
  node.children = children?.reduce<Node[]>((kept, child) => {
    const last = kept.at(-1);
    if (last && joins(last, child)) last.children = [...(last.children ?? []), ...(child.children ?? [])];
    else kept.push(child);
    return kept;
  }, []);
}

export function leanCode(): ExpressiveCodePlugin {
  return {
    name: 'lean-code',
    hooks: { postprocessRenderedBlock: ({ renderData }) => slim(renderData.blockAst as Node) },
    baseStyles: Object.entries(CLASSES)
      .map(([pair, name]) => {
        const [dark, light] = pair.split(';').map((part) => part.split(':')[1]);
        return `.${name}{color:light-dark(${light},${dark})}`;
      })
      .join(''),
  };
}
