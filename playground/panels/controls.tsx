import type { Signal } from '@preact/signals';
import { Component, h, type ComponentChildren, type FunctionComponent, type RefObject } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef } from 'preact/hooks';
import type { Part } from '../scenarios/types.ts';
import type { Playground } from '../state/playground.ts';

export interface PartProps {
  readonly pg: Playground;
}

interface Children {
  readonly children: ComponentChildren;
}

/** A region; its accessible name is its title. */
export function Panel({ pg, name, aside, children }: PartProps & Children & { readonly name: Part; readonly aside?: ComponentChildren }) {
  // Several small playgrounds can stand on one page.
  const id = useId();
  return (
    <section data-panel={name} class="rp-panel" aria-labelledby={id} data-outlined={pg.stage.outlined.value === name}>
      <header class="rp-panel-head">
        <h2 id={id}>{name}</h2>
        {aside ? <div class="rp-panel-aside">{aside}</div> : null}
      </header>
      <div class="rp-panel-body">{children}</div>
    </section>
  );
}

export const Empty = ({ children }: Children) => <p class="rp-empty">{children}</p>;

/**
 * A modal dialog, with `action` beside the way out. The browser keeps the focus in it and gives it back;
 * Escape closes it.
 */
export function Dialog({
  action,
  children,
  close = 'Close',
  onClose,
  title,
  wide,
}: Children & {
  readonly title: string;
  readonly onClose: () => void;
  readonly close?: string;
  readonly wide?: boolean;
  readonly action?: ComponentChildren;
}) {
  // One more press of Enter does nothing.
  const dialog = useKeptFocus<HTMLDialogElement>('.rp-field, .rp-dialog-end > .rp-button:last-child');
  useEffect(() => dialog.current?.showModal(), [dialog]);
  useLayoutEffect(() => {
    const box = dialog.current;
    // A dialog that is removed while open gives no focus back.
    return () => box?.close();
  }, [dialog]);
  return (
    <dialog ref={dialog} class={`rp-dialog ${wide ? 'rp-wide' : ''}`} aria-labelledby="rp-dialog-title" onClose={onClose}>
      <h2 id="rp-dialog-title">{title}</h2>
      {children}
      <div class="rp-row rp-dialog-end">
        {action}
        <Button onPress={() => dialog.current?.close()}>{close}</Button>
      </div>
    </dialog>
  );
}

/**
 * A button that stays in the tab order while it cannot be used: pressing Sleep must not throw the
 * keyboard's focus away because Sleep is over. `why` says what would have to be so. Without `onPress` it submits its form.
 */
export function Button({
  children,
  disabled,
  next,
  onPress,
  pressed,
  tone = 'plain',
  why,
}: Children & {
  readonly onPress?: () => unknown;
  readonly disabled?: boolean;
  readonly why?: string | undefined;
  readonly tone?: 'plain' | 'main' | 'harm' | 'quiet';
  readonly pressed?: boolean | undefined;
  readonly next?: boolean;
}) {
  return (
    <button
      type={onPress ? 'button' : 'submit'}
      class={`rp-button rp-${tone}`}
      aria-disabled={disabled ? 'true' : undefined}
      aria-pressed={pressed}
      data-next={next && !disabled ? 'true' : undefined}
      title={why}
      onClick={(event) => {
        // The second click of a double click was meant for what was there at the first.
        if (disabled || (tone === 'harm' && event.detail > 1)) event.preventDefault();
        else onPress?.();
      }}
    >
      {children}
    </button>
  );
}

export function submitOnEnter(event: KeyboardEvent & { readonly currentTarget: HTMLTextAreaElement }): void {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  event.currentTarget.form?.requestSubmit();
}

/** A field; while it is empty, a press writes the next step's words into it. */
export function Draft({ children, text, words }: Children & { readonly text: Signal<string>; readonly words: string | null }) {
  const holder = useRef<HTMLDivElement>(null);
  return (
    <div class="rp-draft" ref={holder}>
      {children}
      {words !== null && text.value === '' ? (
        <button
          type="button"
          class="rp-write"
          data-next="true"
          onClick={() => {
            text.value = words;
            holder.current?.querySelector<HTMLElement>('.rp-field')?.focus();
          }}
        >
          Write “{words}”
        </button>
      ) : null}
    </div>
  );
}

/** Choices in groups; those under an empty name are in none. */
export function Select<T extends string>({
  bare,
  groups,
  label,
  next,
  onChoose,
  outlined,
  value,
}: {
  readonly label: string;
  /** The label is only for screen readers. */
  readonly bare?: boolean;
  readonly value: T;
  readonly groups: Readonly<Record<string, readonly (readonly [value: T, words: string])[]>>;
  readonly onChoose: (value: T) => unknown;
  readonly next?: boolean;
  readonly outlined?: boolean;
}) {
  const select = (
    <select
      class="rp-field"
      aria-label={bare ? label : undefined}
      data-next={next}
      value={value}
      onChange={(event) => onChoose(event.currentTarget.value as T)}
    >
      {Object.entries(groups).map(([group, options]) => {
        const all = options.map(([one, words]) => (
          <option key={one} value={one} selected={one === value}>
            {words}
          </option>
        ));
        if (all.length === 0 || group === '') return all;
        return (
          <optgroup key={group} label={group}>
            {all}
          </optgroup>
        );
      })}
    </select>
  );
  if (bare) return select;
  return (
    <label class="rp-choice" data-outlined={outlined}>
      <span>{label}</span>
      {select}
    </label>
  );
}

export function Tabs<T extends string>(props: {
  readonly label: string;
  readonly shown: T | undefined;
  readonly tabs: readonly (readonly [name: T, words: ComponentChildren])[];
  readonly onChoose: (name: T) => void;
}) {
  return (
    <div class="rp-tabs" role="group" aria-label={props.label}>
      {props.tabs.map(([name, words]) => (
        <button key={name} type="button" class="rp-tab" aria-pressed={name === props.shown} onClick={() => props.onChoose(name)}>
          {words}
        </button>
      ))}
    </div>
  );
}

/** `live`: always in the page, so that what comes into it is announced. */
export function Problem({ children, live }: Children & { readonly live?: 'polite' | 'assertive' }) {
  if (!live && !children) return null;
  return (
    <p class="rp-problem" role={live ? undefined : 'alert'} aria-live={live}>
      {children ? (
        <>
          <span aria-hidden="true">⚠ </span>
          {children}
        </>
      ) : null}
    </p>
  );
}

/** What goes away with the focus in it gives the focus to the prompt. */
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

/** What has the focus and goes away in the same holder, or is closed there, gives the focus to the first `to` in it. */
export function useKeptFocus<Holder extends HTMLElement>(to: string): RefObject<Holder> {
  const holder = useRef<Holder>(null);
  // Before this drawing of it.
  const had = holder.current?.contains(document.activeElement) ?? false;
  useLayoutEffect(() => {
    const box = holder.current;
    const at = document.activeElement;
    if (had && box && !(box.contains(at) && at!.checkVisibility())) box.querySelector<HTMLElement>(to)?.focus();
  });
  return holder;
}

/** Drawn again only when a prop changes. */
export function memo<Props extends object>(draw: FunctionComponent<Props>) {
  return class Memo extends Component<Props> {
    override shouldComponentUpdate(next: Props): boolean {
      const before = this.props as Props;
      return (Object.keys(next) as (keyof Props)[]).some((key) => next[key] !== before[key]);
    }
    override render(): ComponentChildren {
      return h(draw, this.props as Props);
    }
  };
}
