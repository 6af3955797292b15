import type { HastPluginEntry } from 'satteri';

export function withBase(href: string, base = import.meta.env.BASE_URL): string {
  return /^\/(?!\/)/.test(href) ? base.replace(/\/$/, '') + href : href;
}

/** Pages link from the root (`/guides/client/`): under a sub-path the base comes in front. */
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
