import type { HastPluginEntry } from 'satteri';

/** Puts the base in front of a link from the root of the site; other links are left alone. */
export function withBase(href: string, base = import.meta.env.BASE_URL): string {
  return /^\/(?!\/)/.test(href) ? base.replace(/\/$/, '') + href : href;
}

/** Pages link from the root (`/guides/client/`); this makes such links work under a sub-path. */
export function baseLinks(base: string): HastPluginEntry {
  return {
    name: 'rehydrate-base-links',
    element: {
      filter: ['a'],
      visit(node, ctx) {
        const href = node.properties['href'];
        if (typeof href === 'string') ctx.setProperty(node, 'href', withBase(href, base));
      },
    },
  };
}
