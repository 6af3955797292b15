/**
 * The playground's page and the small one in prose: both load the app on demand and say what they are doing, and what to do when it fails.
 */
function load(status: HTMLElement, { dataset: { base, scenario, compact } }: HTMLElement): void {
  const root = document.createElement('div');
  status.after(root);
  status.textContent = 'Loading the engine, the database and the conversation…';
  import('../../../playground/mount.ts')
    .then(({ mount }) => {
      mount(root, { base: base!, scenario, compact: compact !== undefined });
      status.remove();
    })
    .catch((error: unknown) => {
      status.textContent = `The playground could not be loaded (${String(error)}). Check the connection and reload the page.`;
    });
}

class RehydratePlayground extends HTMLElement {
  connectedCallback(): void {
    load(this.querySelector('p')!, this);
  }
}

class RehydrateTry extends HTMLElement {
  connectedCallback(): void {
    const row = this.querySelector('.row')!;
    const button = Object.assign(document.createElement('button'), { type: 'button', textContent: 'Run it here' });
    row.prepend(button);
    button.addEventListener('click', () => {
      const status = Object.assign(document.createElement('p'), { role: 'status' });
      for (const each of this.querySelectorAll('[data-preview]')) each.remove();
      row.replaceWith(status);
      load(status, this);
    });
  }
}

export function definePlayground(): void {
  customElements.define('rehydrate-playground', RehydratePlayground);
}

export function defineTry(): void {
  customElements.define('rehydrate-try', RehydrateTry);
}
