import { defineCollection } from 'astro:content';
import { docsLoader } from '@astrojs/starlight/loaders';
import { docsSchema } from '@astrojs/starlight/schema';
import { agentPages } from './src/site/lib/agent-pages.ts';
import { apiPages } from './src/site/lib/api-pages.ts';

const pages = docsLoader();

export const collections = {
  docs: defineCollection({
    schema: docsSchema(),
    loader: {
      name: 'docs-and-made',
      /** The pages under content/docs, and one for each entry of the library and for each agent that was examined. */
      async load(context) {
        await pages.load(context);
        for (const { id, title, description, body, file } of [...apiPages(), ...agentPages]) {
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
