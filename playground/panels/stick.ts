interface Kept {
  /** The person scrolled away from the end and is left there. */
  away: boolean;
  top: number;
  readonly sizes: ResizeObserver;
  content: Element | null;
}

const KEPT = new WeakMap<HTMLElement, Kept>();

/** Within so many pixels of the end counts as at the end. */
const NEAR = 40;

/**
 * Keeps the newest row of a scrolling list in view unless the person scrolled away from the end. `element`
 * scrolls its one child. What grew, or took of its room, is heard of after the browser has laid it out: asking
 * before would make it lay the page out twice. `rowsGo`: an older row goes for each that comes.
 */
export function stickToEnd(element: HTMLElement | null, rowsGo = false): void {
  if (!element) return;
  const kept = KEPT.get(element) ?? keep(element, rowsGo);
  const content = element.firstElementChild;
  if (content === kept.content) return;
  if (kept.content) kept.sizes.unobserve(kept.content);
  kept.content = content;
  if (content) kept.sizes.observe(content);
}

function keep(element: HTMLElement, rowsGo: boolean): Kept {
  const sizes = new ResizeObserver(() => {
    if (!kept.away) element.scrollTop = element.scrollHeight;
  });
  sizes.observe(element);
  const kept: Kept = { away: false, top: 0, sizes, content: null };
  KEPT.set(element, kept);
  const scrolled = () => {
    const { scrollTop, scrollHeight, clientHeight } = element;
    // What grew meanwhile is below the end as well: only a person goes up.
    kept.away = scrollHeight - scrollTop - clientHeight > NEAR && (kept.away || scrollTop < kept.top);
    kept.top = scrollTop;
    // At the end nothing else is to be held where it is. Where no row goes the browser's holding costs half of setting it here.
    if (rowsGo) element.style.overflowAnchor = kept.away ? 'auto' : 'none';
  };
  scrolled();
  element.addEventListener('scroll', scrolled, { passive: true });
  return kept;
}
