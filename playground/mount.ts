/** The playground's entry: what a page calls, by dynamic import, to put the app into an element. */
import { h, render } from 'preact';
import wasmUrl from 'sql.js/dist/sql-wasm-browser.wasm?url';
import agentWorkerUrl from './agent.worker.ts?worker&url';
import { App } from './App.tsx';
import { CompactEmbed, Embed } from './embeds/Embed.tsx';
import sqlWorkerUrl from './platform/sql.worker.ts?worker&url';
import { browserPlatform, WorkerSource } from './platform/browser.ts';
import { createPlayground } from './state/playground.ts';
import { dropProseRules } from './prose-rules.ts';
import './playground.css';

export interface MountOptions {
  /** The site's base path. Default `/`. */
  readonly base?: string;
  /** A small playground in prose: this scenario alone, kept nowhere. */
  readonly scenario?: string;
  readonly compact?: boolean;
}

/**
 * Puts the playground into `element` and starts it. What cannot load is said in the page. What is drawn
 * stays until the page goes: then the browser ends its workers, and the store has all that was acknowledged.
 */
export function mount(element: HTMLElement, options: MountOptions = {}): void {
  const base = `/${(options.base ?? '/').replace(/^\/+|\/+$/g, '')}/`.replace('//', '/');
  const embedded = options.scenario !== undefined;
  const pg = createPlayground({
    base,
    platform: browserPlatform({
      wasmUrl,
      embedded,
      agentWorker: new WorkerSource(agentWorkerUrl, import.meta.env.DEV),
      sqlWorker: new WorkerSource(sqlWorkerUrl, import.meta.env.DEV),
    }),
    ...(embedded ? { place: { scenario: options.scenario } } : {}),
  });
  element.classList.add('not-content');
  if (!embedded) dropProseRules(document.styleSheets);
  const loadTerminal = () =>
    pg.boot.step('Terminal', 'The conversation shows the same; reload the page to try again.', () => import('./panels/terminal.ts'));
  render(
    embedded
      ? h(options.compact ? CompactEmbed : Embed, { pg, loadTerminal, more: `${base}playground/#v=1&scenario=${options.scenario}` })
      : h(App, { pg, loadTerminal }),
    element,
  );
  // Said by its boot step; the page stays as far as it works.
  pg.start().catch(() => undefined);
  if (!embedded) addEventListener('hashchange', () => void pg.notices.attempt(() => pg.navigate()));
}
