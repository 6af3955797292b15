interface Kept {
  /** The person scrolled away from the end and is left there. */
  away: boolean;
  readonly sizes: ResizeObserver;
  content: Element | null;
}

const KEPT = new WeakMap<HTMLElement, Kept>();

/** Within so many pixels of the end counts as at the end. */
const NEAR = 40;

/**
 * Keeps the newest row of a scrolling list in view unless the person scrolled away from the end. `element`
 * scrolls its one child. What grew is heard of after the browser has laid it out: asking before would make
 * it lay the page out twice.
 */
export function stickToEnd(element: HTMLElement | null): void {
  if (!element) return;
  const kept = KEPT.get(element) ?? keep(element);
  const content = element.firstElementChild;
  if (content === kept.content) return;
  kept.sizes.disconnect();
  kept.content = content;
  if (content) kept.sizes.observe(content);
}

function keep(element: HTMLElement): Kept {
  const sizes = new ResizeObserver(() => {
    if (!kept.away) element.scrollTop = element.scrollHeight;
  });
  const kept: Kept = { away: false, sizes, content: null };
  KEPT.set(element, kept);
  element.addEventListener('scroll', () => (kept.away = element.scrollHeight - element.scrollTop - element.clientHeight > NEAR), {
    passive: true,
  });
  return kept;
}
