/** What the panels are worked with, and what goes wrong in them. */
import { Component, h, type ComponentChildren, type FunctionComponent } from 'preact';

/**
 * A button that stays in the tab order while it cannot be used: pressing Sleep must not throw the
 * keyboard's focus away because Sleep is over. `why` says what would have to be so.
 */
export function Button(props: {
  readonly onPress: () => void;
  readonly disabled?: boolean;
  readonly why?: string | undefined;
  readonly tone?: 'plain' | 'main' | 'harm' | 'quiet';
  readonly pressed?: boolean;
  readonly type?: 'button' | 'submit';
  /** It is what the next step is done with. */
  readonly next?: boolean;
  readonly children: ComponentChildren;
}) {
  return (
    <button
      type={props.type ?? 'button'}
      class={`rp-button rp-${props.tone ?? 'plain'}`}
      aria-disabled={props.disabled ? 'true' : undefined}
      aria-pressed={props.pressed}
      data-next={props.next && !props.disabled ? 'true' : undefined}
      title={props.why}
      onClick={(event) => {
        if (props.type !== 'submit' || props.disabled) event.preventDefault();
        if (!props.disabled) props.onPress();
      }}
    >
      {props.children}
    </button>
  );
}

/** What the next step says, in the field that it is written into. */
export function WriteIt({ words, onPress }: { readonly words: string; readonly onPress: (form: HTMLFormElement | null) => void }) {
  return (
    <button type="button" class="rp-write" data-next="true" onClick={(event) => onPress(event.currentTarget.form)}>
      Write “{words}”
    </button>
  );
}

/** A choice of one, in groups or, under an empty name, in none. */
export function Select<T extends string>(props: {
  readonly label: string;
  /** The label is for those who hear it: where it stands, the choice speaks for itself. */
  readonly bare?: boolean;
  readonly value: T;
  readonly groups: Readonly<Record<string, readonly (readonly [value: T, words: string])[]>>;
  readonly onChoose: (value: T) => void;
  /** It is what the next step is done with. */
  readonly next?: boolean;
  readonly outlined?: boolean;
}) {
  const { bare, groups, label, next, onChoose, outlined, value } = props;
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
        if (all.length === 0) return null;
        return group === '' ? (
          all
        ) : (
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

/** One of several views of the same place. */
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

/** What went wrong. `live`: its place is always there, so that what comes into it is heard. */
export function Problem(props: { readonly live?: 'polite' | 'assertive'; readonly children: ComponentChildren }) {
  const { children, live } = props;
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

/** Drawn again only when one of its props is another. */
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
