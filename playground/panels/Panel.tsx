import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';
import type { Part } from '../scenarios/types.ts';
import type { Playground } from '../state/playground.ts';

/** One titled region. Its accessible name is its title, the same at every width and in every theme. */
export function Panel(props: {
  readonly pg: Playground;
  readonly name: Part;
  /** Shown beside the title, for counts and small switches. */
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
}) {
  // Several small playgrounds can stand on one page.
  const id = useId();
  const { outlined } = props.pg.stage;
  return (
    <section data-panel={props.name} class="rp-panel" aria-labelledby={id} data-outlined={outlined.value === props.name}>
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
