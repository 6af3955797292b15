import type { JSX } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

/** This many pixels from the end count as the end. */
const NEAR = 40;

/**
 * A list that keeps its newest row in view, unless the person scrolled away from the end; its one child is what scrolls. What grew,
 * or took of its room, is heard of after the browser has laid it out: asking before would make it lay the page out twice. `rowsGo`: an
 * older row goes for each that comes.
 */
export function Newest({ rowsGo = false, ...attributes }: JSX.HTMLAttributes<HTMLDivElement> & { readonly rowsGo?: boolean }) {
  const holder = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const list = holder.current!;
    let away = false;
    let top = 0;
    let room = list.clientHeight;
    const scrolled = () => {
      const { scrollTop, scrollHeight, clientHeight } = list;
      // Content and room change too; only a person scrolls up.
      away = scrollHeight - scrollTop - clientHeight > NEAR && (away || (scrollTop < top && clientHeight === room));
      top = scrollTop;
      // Nothing else is to hold the list at its end. Without `rowsGo` the browser's anchoring is cheaper than setting it.
      if (rowsGo) list.style.overflowAnchor = away ? 'auto' : 'none';
    };
    scrolled();
    list.addEventListener('scroll', scrolled, { passive: true });
    const sizes = new ResizeObserver(() => {
      room = list.clientHeight;
      if (!away) list.scrollTop = list.scrollHeight;
    });
    for (const each of [list, list.firstElementChild!]) sizes.observe(each);
    return () => sizes.disconnect();
  }, []);
  return <div tabIndex={0} {...attributes} ref={holder} />;
}
