import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

/** One titled region. Its accessible name is its title, the same at every width and in every theme. */
export function Panel(props: {
  readonly name: string;
  readonly class?: string;
  /** Shown beside the title, for counts and small switches. */
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
}) {
  // Several small playgrounds can stand on one page.
  const id = useId();
  return (
    <section data-panel={props.name} class={`rp-panel ${props.class ?? ''}`} aria-labelledby={id}>
      <header class="rp-panel-head">
        <h2 id={id}>{props.name}</h2>
        {props.aside ? <div class="rp-panel-aside">{props.aside}</div> : null}
      </header>
      <div class="rp-panel-body">{props.children}</div>
    </section>
  );
}

/** What a panel says while it has nothing to show: what will be here, and how to get it. */
export function Empty(props: { readonly children: ComponentChildren }) {
  return <p class="rp-empty">{props.children}</p>;
}
