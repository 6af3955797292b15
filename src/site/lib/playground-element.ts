/**
 * The playground's two doors: its own page, and a small one in prose. Both load the app on demand and say
 * what they are doing; a failure says what to do.
 */
function load(into: HTMLElement, say: (text: string) => void, options: { base: string; scenario?: string; compact?: boolean }): void {
  say('Loading the engine, the database and the conversation…');
  import('../../../playground/mount.ts')
    .then(({ mount }) => {
      mount(into, options);
      say('');
    })
    .catch((error: unknown) => say(`The playground could not be loaded (${String(error)}). Check the connection and reload the page.`));
}

class RehydratePlayground extends HTMLElement {
  connectedCallback(): void {
    const status = this.querySelector<HTMLElement>('[data-loading]')!;
    const root = document.createElement('div');
    this.append(root);
    load(root, (text) => (text === '' ? status.remove() : (status.textContent = text)), { base: this.dataset['base']! });
  }
}

class RehydrateTry extends HTMLElement {
  connectedCallback(): void {
    const row = this.querySelector('.row')!;
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = 'Run it here';
    row.prepend(button);
    button.addEventListener('click', () => {
      const status = document.createElement('p');
      status.setAttribute('role', 'status');
      const root = document.createElement('div');
      for (const each of this.querySelectorAll('[data-preview]')) each.remove();
      row.replaceWith(status, root);
      const { base, scenario, compact } = this.dataset;
      load(root, (text) => (text === '' ? status.remove() : (status.textContent = text)), {
        base: base!,
        scenario: scenario!,
        compact: compact !== undefined,
      });
    });
  }
}

export function definePlayground(): void {
  customElements.define('rehydrate-playground', RehydratePlayground);
}

export function defineTry(): void {
  customElements.define('rehydrate-try', RehydrateTry);
}
