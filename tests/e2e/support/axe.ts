import { createRequire } from 'node:module';
import type { Page } from '@playwright/test';
import type axe from 'axe-core';

/** The small one: each page compiles it anew. */
const { source } = createRequire(import.meta.url)('axe-core/axe.min.js') as typeof axe;

/**
 * The looks of texts that had contrast enough: their colours, sizes and all that lies under them. Contrast follows from that alone, and to
 * ask for it is most of what axe costs; so a look that has passed is not asked about again where the same set is given.
 */
export type Passed = Set<string>;

interface Asked {
  /** What is looked at, and what not; without them the whole page. */
  readonly include?: string;
  readonly exclude?: string;
  /** Without it all of axe's. Contrast is always asked for. */
  readonly rules?: readonly string[];
  readonly passed?: Passed;
}

/** What axe finds on a page; ours have no frames. */
export async function defects(page: Page, { passed = new Set(), ...asked }: Asked = {}): Promise<readonly string[]> {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(source);
  const { found, looks } = await page.evaluate(look, { ...asked, passed: [...passed] });
  for (const one of looks) passed.add(one);
  return found;
}

/** Runs in the page. */
async function look({ include = 'html', exclude, rules, passed }: Omit<Asked, 'passed'> & { passed: readonly string[] }) {
  const { run } = (globalThis as unknown as { axe: typeof axe }).axe;
  const CONTRAST = 'color-contrast';

  const under = new Map<Element, string>();
  /** What an element and those that it is in paint, without those that paint nothing. */
  const ground = (element: Element): string => {
    const known = under.get(element);
    if (known !== undefined) return known;
    const { backgroundColor, backgroundImage, opacity, filter, mixBlendMode, position } = getComputedStyle(element);
    const own = [backgroundColor, backgroundImage, opacity, filter, mixBlendMode, position].join();
    const below = element.parentElement ? ground(element.parentElement) : '';
    const all = own === 'rgba(0, 0, 0, 0),none,1,none,normal,static' ? below : `${below}/${own}`;
    under.set(element, all);
    return all;
  };
  const looks = new Map<Element, string>();
  for (const element of document.querySelectorAll<HTMLElement>(`${include} *`)) {
    if (!element.checkVisibility() || (exclude !== undefined && element.closest(exclude))) continue;
    const text = [...element.childNodes].map((node) => (node.nodeType === Node.TEXT_NODE ? node.nodeValue!.trim() : '')).join('');
    if (text === '' && !element.matches('input, select, textarea')) continue;
    const { color, webkitTextFillColor, webkitTextStroke, textShadow, fontSize, fontWeight } = getComputedStyle(element);
    const own = [color, webkitTextFillColor, webkitTextStroke, textShadow, fontSize, fontWeight].join();
    looks.set(element, `${own}, on ${ground(element)}`);
  }
  const fresh = [...looks].filter(([, one]) => !passed.includes(one)).map(([element]) => element);

  const context = { include: [[include]], ...(exclude === undefined ? {} : { exclude: exclude.split(', ').map((one) => [one]) }) };
  const others = rules?.filter((rule) => rule !== CONTRAST);
  const results = [
    await run(context, {
      resultTypes: ['violations'],
      ...(others ? { runOnly: others } : { rules: { [CONTRAST]: { enabled: false } } }),
    }),
    ...(fresh.length > 0
      ? [await run({ include: fresh }, { resultTypes: ['violations', 'passes'], runOnly: [CONTRAST], elementRef: true })]
      : []),
  ];
  return {
    found: results.flatMap(({ violations }) =>
      violations.flatMap(({ id, nodes }) =>
        nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')} ${failureSummary ?? ''}`),
      ),
    ),
    // Only what axe could tell has passed: what was hidden or covered, or too short, is asked about again.
    looks: results.flatMap(({ passes }) =>
      passes.flatMap(({ id, nodes }) => (id === CONTRAST ? nodes.map(({ element }) => looks.get(element!) ?? '') : [])),
    ),
  };
}
