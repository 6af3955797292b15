import { defineRouteMiddleware } from '@astrojs/starlight/route-data';
import { cardPath } from './build/card-path.ts';
import { withBase } from './lib/base-links.ts';
import { markdownPath } from './lib/markdown-path.ts';

/** Each page's head names its social card and its Markdown twin. */
export const onRequest = defineRouteMiddleware((context) => {
  const { entry, head } = context.locals.starlightRoute;
  const twin = markdownPath(entry.id);
  if (!twin) return;
  const base = import.meta.env.BASE_URL;
  const card = new URL(withBase(cardPath(entry.id), base), context.site).href;
  head.push({ tag: 'meta', attrs: { property: 'og:image', content: card } }, { tag: 'link', attrs: { rel: 'alternate', type: 'text/markdown', href: withBase(twin, base) } });
});
