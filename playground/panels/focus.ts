import type { RefObject } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

/** What goes away with the keyboard's focus in it hands the focus to the prompt. */
export function useHandedFocus(): RefObject<HTMLDivElement> {
  const holder = useRef<HTMLDivElement>(null);
  useLayoutEffect(
    () => () => {
      const element = holder.current;
      if (element?.contains(document.activeElement)) element.closest('.rp')?.querySelector<HTMLElement>('.rp-prompt textarea')?.focus();
    },
    [],
  );
  return holder;
}
