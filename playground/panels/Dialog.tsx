import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Button } from './controls.tsx';

/**
 * A modal dialog, with `action` beside the way out. The browser keeps the focus in it and gives it back;
 * Escape closes it.
 */
export function Dialog(props: {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  readonly close?: string;
  readonly wide?: boolean;
  readonly action?: ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog ref={dialog} class={`rp-dialog ${props.wide ? 'rp-wide' : ''}`} aria-labelledby="rp-dialog-title" onClose={props.onClose}>
      <h2 id="rp-dialog-title">{props.title}</h2>
      {props.children}
      <div class="rp-row rp-dialog-end">
        {props.action}
        <Button onPress={() => dialog.current?.close()}>{props.close ?? 'Close'}</Button>
      </div>
    </dialog>
  );
}
