import { defineRouteMiddleware, type StarlightRouteData } from '@astrojs/starlight/route-data';
import { withBase } from './lib/base-links.ts';
import { cardPath, markdownPath } from './lib/page-paths.ts';

/** Each page's head names its social card and its Markdown twin, and no generator. */
export const onRequest = defineRouteMiddleware((context) => {
  const { starlightRoute } = context.locals as unknown as { starlightRoute: StarlightRouteData };
  const { entry, head } = starlightRoute;
  starlightRoute.head = head.filter(({ attrs }) => attrs?.['name'] !== 'generator');
  const twin = markdownPath(entry.id);
  if (!twin) return;
  starlightRoute.head.push(
    { tag: 'meta', attrs: { property: 'og:image', content: new URL(withBase(cardPath(twin)), context.site).href } },
    { tag: 'link', attrs: { rel: 'alternate', type: 'text/markdown', href: withBase(twin) } },
  );
});
