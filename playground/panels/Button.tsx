import type { ComponentChildren } from 'preact';

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
