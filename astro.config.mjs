import { satteri } from '@astrojs/markdown-satteri';
import starlight from '@astrojs/starlight';
import { defineConfig } from 'astro/config';
import { fileURLToPath } from 'node:url';
import { siteParts } from './src/site/integration.ts';
import { baseLinks } from './src/site/lib/base-links.ts';
import { deploymentFrom } from './src/site/lib/deployment.ts';
import { readingOrder, sidebar } from './src/site/sidebar.ts';

const { site, base, repository } = deploymentFrom(process.env);
const overrides = (...names) => Object.fromEntries(names.map((name) => [name, `./src/site/overrides/${name}.astro`]));

/**
 * The agents in the tab hear only the engine of their own page, which sends what ACP allows: there they check nothing. The SDK's
 * schemas, and zod below them, would be half of their script.
 */
const withoutSchemas = {
  name: 'acp-without-schemas',
  transform: (code, id) => (SCHEMAS.test(id) ? [...code.match(/^export const \w+/gm), ''].join(' = undefined;') : undefined),
};
const SCHEMAS = /\/sdk\/dist\/v1\/schema\/(?:zod|guards)\.gen\.js$/;

export default defineConfig({
  site,
  base,
  srcDir: '.',
  outDir: './site-dist',
  trailingSlash: 'always',
  markdown: { processor: satteri({ hastPlugins: [baseLinks(base)] }) },
  integrations: [
    starlight({
      title: 'Rehydrate',
      description: 'ACP sessions that survive the death of the agent: durable in SQLite, live again on the next prompt.',
      favicon: '/favicon.svg',
      sidebar,
      lastUpdated: true,
      credits: false,
      tableOfContents: { minHeadingLevel: 2, maxHeadingLevel: 3 },
      customCss: ['site', 'diagrams', 'search', 'print'].map((name) => `./src/site/styles/${name}.css`),
      routeMiddleware: './src/site/route-data.ts',
      components: overrides('Search', 'PageTitle', 'Sidebar', 'ThemeProvider', 'ThemeSelect'),
      ...(repository
        ? { editLink: { baseUrl: `${repository}/edit/main/` }, social: [{ icon: 'github', label: 'Source', href: repository }] }
        : {}),
    }),
    siteParts({ site, base, order: readingOrder(sidebar) }),
  ],
  vite: {
    // Scripts stay files: cached across pages, and no hash to keep in the Content-Security-Policy.
    build: { assetsInlineLimit: 0 },
    worker: { plugins: () => [withoutSchemas] },
    // The playground is Preact without a framework island: its pages load it on demand.
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    resolve: { alias: { '@site': fileURLToPath(new URL('./src/site/components', import.meta.url)) } },
  },
});
