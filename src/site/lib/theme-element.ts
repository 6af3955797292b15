/** The theme select: `light` and `dark` are remembered, anything else follows the system. */
const KEY = 'starlight-theme';
const light = matchMedia('(prefers-color-scheme: light)');

function stored(): string {
  try {
    return localStorage.getItem(KEY) ?? '';
  } catch {
    return ''; // Storage is switched off: the choice lasts for the page.
  }
}

function store(theme: string): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    return; // As above.
  }
}

function apply(theme: string): void {
  document.documentElement.dataset['theme'] = theme || (light.matches ? 'light' : 'dark');
  for (const select of document.querySelectorAll<HTMLSelectElement>('theme-select select')) select.value = theme;
}

class ThemeSelect extends HTMLElement {
  connectedCallback(): void {
    const select = this.querySelector('select')!;
    const theme = stored();
    select.value = theme === 'light' || theme === 'dark' ? theme : '';
    select.addEventListener('change', () => {
      store(select.value);
      apply(select.value);
    });
  }
}

export function defineTheme(): void {
  light.addEventListener('change', () => {
    if (stored() === '') apply('');
  });
  customElements.define('theme-select', ThemeSelect);
}
