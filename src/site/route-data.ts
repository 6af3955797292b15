import { defineRouteMiddleware, type StarlightRouteData } from '@astrojs/starlight/route-data';
import { cardPath } from './build/card-path.ts';
import { withBase } from './lib/base-links.ts';
import { markdownPath } from './lib/markdown-path.ts';

/** Each page's head names its social card and its Markdown twin, and not the tools that made it. */
export const onRequest = defineRouteMiddleware((context) => {
  const { starlightRoute } = context.locals as unknown as { starlightRoute: StarlightRouteData };
  const { entry, head } = starlightRoute;
  starlightRoute.head = head.filter(({ attrs }) => attrs?.['name'] !== 'generator');
  const twin = markdownPath(entry.id);
  if (!twin) return;
  const base = import.meta.env.BASE_URL;
  const card = new URL(withBase(cardPath(entry.id), base), context.site).href;
  starlightRoute.head.push(
    { tag: 'meta', attrs: { property: 'og:image', content: card } },
    { tag: 'link', attrs: { rel: 'alternate', type: 'text/markdown', href: withBase(twin, base) } },
  );
});
