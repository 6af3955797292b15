/** The playground's entry: pages import it and call `mount`. */
import { h, render } from 'preact';
import { App } from './App.tsx';
import { CompactEmbed, Embed } from './embeds/Embed.tsx';
import { browserPlatform } from './platform/browser.ts';
import { createPlayground } from './state/playground.ts';
import { dropProseRules } from './prose-rules.ts';
import './playground.css';

interface MountOptions {
  /** The site's base path, `/` or `/name/`. */
  readonly base: string;
  /** A small playground in prose: this scenario alone, kept nowhere. */
  readonly scenario: string | undefined;
  readonly compact: boolean;
}

/**
 * Puts the playground into `element` and starts it. What cannot load is said in the page. What is drawn
 * stays until the page goes: then the browser ends its workers, and the store has all that was acknowledged.
 */
export function mount(element: HTMLElement, { base, scenario, compact }: MountOptions): void {
  const embedded = scenario !== undefined;
  const pg = createPlayground({ base, platform: browserPlatform(embedded), place: embedded ? { scenario } : null });
  element.classList.add('not-content');
  const loadTerminal = () =>
    pg.boot.step('Terminal', 'The conversation shows the same; reload the page to try again.', () => import('./panels/terminal.ts'));
  if (embedded)
    render(h(compact ? CompactEmbed : Embed, { pg, loadTerminal, more: `${base}playground/#v=1&scenario=${scenario}` }), element);
  else {
    dropProseRules(document.styleSheets);
    render(h(App, { pg, loadTerminal }), element);
    addEventListener('hashchange', () => void pg.notices.attempt(() => pg.navigate()));
  }
  // The boot step has said it.
  pg.start().catch(() => undefined);
}
