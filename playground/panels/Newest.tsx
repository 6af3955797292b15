import type { JSX } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

/** Within so many pixels of the end counts as at the end. */
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
      // What grew meanwhile is below the end as well, and more room moves the rows: only a person goes up.
      away = scrollHeight - scrollTop - clientHeight > NEAR && (away || (scrollTop < top && clientHeight === room));
      top = scrollTop;
      // At the end nothing else is to be held where it is. Where no row goes the browser's holding costs half of setting it here.
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
