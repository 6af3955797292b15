const KEY = 'starlight-theme';
const light = matchMedia('(prefers-color-scheme: light)');

/** Without storage the choice lasts for the page. */
function stored<T>(use: (storage: Storage) => T): T | null {
  try {
    return use(localStorage);
  } catch {
    return null;
  }
}

function apply(theme: string): void {
  document.documentElement.dataset['theme'] = theme || (light.matches ? 'light' : 'dark');
  for (const select of document.querySelectorAll<HTMLSelectElement>('theme-select select')) select.value = theme;
}

class ThemeSelect extends HTMLElement {
  connectedCallback(): void {
    const select = this.querySelector('select')!;
    const theme = stored((storage) => storage.getItem(KEY)) ?? '';
    select.value = ['light', 'dark'].includes(theme) ? theme : '';
    select.addEventListener('change', () => {
      stored((storage) => storage.setItem(KEY, select.value));
      apply(select.value);
    });
  }
}

export function defineTheme(): void {
  light.addEventListener('change', () => {
    if (!stored((storage) => storage.getItem(KEY))) apply('');
  });
  customElements.define('theme-select', ThemeSelect);
}
