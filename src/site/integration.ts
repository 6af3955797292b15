import type { AstroIntegration } from 'astro';
import { fileURLToPath } from 'node:url';
import { writeCards } from './build/cards.ts';
import { finishPages } from './build/finish.ts';
import { writeHeaders } from './build/headers.ts';
import { brokenLinks } from './build/links.ts';
import { writeMarkdown } from './build/markdown.ts';
import { builtPages } from './build/site.ts';

interface Options {
  readonly site: string;
  readonly base: string;
  /** Page paths in reading order. */
  readonly order: readonly string[];
}

/** Routes that are not prose, and what is made from the finished pages. */
export function siteParts({ site, base, order }: Options): AstroIntegration {
  return {
    name: 'rehydrate-site',
    hooks: {
      'astro:config:setup'({ injectRoute }) {
        injectRoute({ pattern: '/playground/', entrypoint: './src/site/routes/playground.astro' });
      },
      async 'astro:build:done'({ dir, logger }) {
        const out = fileURLToPath(dir);
        const pages = builtPages(out);
        const twins = writeMarkdown(pages, out, `${site}${base}`, order);
        finishPages(pages, out, base);
        const cards = await writeCards(twins, out);
        writeHeaders(pages, out, base);
        const broken = brokenLinks(builtPages(out), out, base);
        if (broken.length > 0) throw new Error(`Broken links in the built site:\n  ${broken.join('\n  ')}`);
        logger.info(`${pages.length} pages: links checked, ${twins.length} Markdown twins, ${cards} social cards`);
      },
    },
  };
}
