/**
 * `<rehydrate-playground>`: loads the playground when the page has been painted and mounts it. Each step
 * says what it is doing; a failure says what to do.
 */
type Mount = (element: HTMLElement, options: { base: string }) => unknown;

const modules = import.meta.glob<{ mount: Mount }>('../../../playground/mount.ts');

class RehydratePlayground extends HTMLElement {
  connectedCallback(): void {
    const loading = this.querySelector<HTMLElement>('[data-loading]');
    const say = (text: string) => {
      if (loading) loading.textContent = text;
    };
    const load = modules['../../../playground/mount.ts'];
    if (!load) {
      say('This build of the site has no playground in it.');
      return;
    }
    say('Loading the engine, the database and the terminal…');
    load().then(
      ({ mount }) => {
        const root = document.createElement('div');
        this.replaceChildren(root);
        mount(root, { base: this.dataset['base']! });
      },
      (error: unknown) => say(`The playground could not be loaded (${String(error)}). Check the connection and reload the page.`),
    );
  }
}

export function definePlayground(): void {
  customElements.define('rehydrate-playground', RehydratePlayground);
}
