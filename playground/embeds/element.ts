/**
 * `<rehydrate-embed scenario="NAME">`: a small playground in prose. The page carries this file alone;
 * the app is loaded by the button, or with `load="visible"` when the element is scrolled into view.
 *
 * What stands inside the element in the HTML (a link to the playground, say) is what people see
 * without scripts, and until it is loaded.
 */
import type * as Mount from '../mount.ts';

export class RehydrateEmbed extends HTMLElement {
  #state: 'idle' | 'loading' | 'shown' = 'idle';
  #dispose: (() => Promise<void>) | null = null;
  #watch: IntersectionObserver | null = null;

  connectedCallback(): void {
    if (this.#state !== 'idle' || this.querySelector('button.rehydrate-embed-run')) return;
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'rehydrate-embed-run';
    button.textContent = this.getAttribute('label') ?? 'Run it here';
    button.addEventListener('click', () => void this.load());
    this.append(button);
    if (this.getAttribute('load') !== 'visible') return;
    this.#watch = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) void this.load();
    });
    this.#watch.observe(this);
  }

  disconnectedCallback(): void {
    this.#watch?.disconnect();
    void this.#dispose?.();
    this.#dispose = null;
    this.#state = 'idle';
  }

  /** Loads the app in place of the button. A failure is said, and can be tried again. */
  async load(): Promise<void> {
    const scenario = this.getAttribute('scenario');
    if (this.#state !== 'idle' || !scenario) return;
    this.#state = 'loading';
    this.#watch?.disconnect();
    const button = this.querySelector<HTMLButtonElement>('button.rehydrate-embed-run');
    if (button) {
      button.disabled = true;
      button.textContent = 'Loading';
    }
    try {
      const { mount }: typeof Mount = await import('../mount.ts');
      const holder = document.createElement('div');
      const dispose = await mount(holder, { scenario, base: this.getAttribute('base') ?? '/' });
      this.replaceChildren(holder);
      this.#dispose = dispose;
      this.#state = 'shown';
    } catch {
      this.#state = 'idle';
      if (button) {
        button.disabled = false;
        button.textContent = 'It could not load. Try again';
      }
    }
  }
}

if (!customElements.get('rehydrate-embed')) customElements.define('rehydrate-embed', RehydrateEmbed);
