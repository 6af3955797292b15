import { defineCollection } from 'astro:content';
import { docsLoader } from '@astrojs/starlight/loaders';
import { docsSchema } from '@astrojs/starlight/schema';
import { apiPages } from './src/site/lib/api-pages.ts';

const pages = docsLoader();

export const collections = {
  docs: defineCollection({
    schema: docsSchema(),
    loader: {
      name: 'docs-and-api',
      /** The pages under content/docs, and one for each entry of the library. */
      async load(context) {
        await pages.load(context);
        for (const { id, title, description, body, file } of apiPages(process.cwd())) {
          const data = await context.parseData({
            id,
            data: { title, description, tableOfContents: { minHeadingLevel: 2, maxHeadingLevel: id.endsWith('/host') ? 3 : 2 } },
            filePath: file,
          });
          context.store.set({ id, data, body, filePath: file, rendered: await context.renderMarkdown(body) });
        }
      },
    },
  }),
};
