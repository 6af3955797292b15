interface Kept {
  /** The person scrolled away from the end and is left there. */
  away: boolean;
  /** A scroll to the end is already asked for in the next frame. */
  asked: boolean;
}

const KEPT = new WeakMap<HTMLElement, Kept>();

/** Within so many pixels of the end counts as at the end. */
const NEAR = 40;

/** Keeps the newest row of a scrolling list in view unless the person scrolled away from the end. */
export function stickToEnd(element: HTMLElement | null): void {
  if (!element) return;
  let kept = KEPT.get(element);
  if (!kept) {
    const fresh: Kept = { away: false, asked: false };
    KEPT.set(element, (kept = fresh));
    element.addEventListener('scroll', () => (fresh.away = element.scrollHeight - element.scrollTop - element.clientHeight > NEAR), { passive: true });
  }
  if (kept.away || kept.asked) return;
  kept.asked = true;
  const state = kept;
  // Once a frame: each scroll makes the browser lay the page out.
  requestAnimationFrame(() => {
    state.asked = false;
    element.scrollTop = element.scrollHeight;
  });
}
