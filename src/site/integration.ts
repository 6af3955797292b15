import type { AstroIntegration } from 'astro';

/** Routes that are not prose. Starlight serves `content/docs`; these stand beside it. */
export function siteRoutes(): AstroIntegration {
  return {
    name: 'rehydrate-site',
    hooks: {
      'astro:config:setup'({ injectRoute }) {
        injectRoute({ pattern: '/playground/', entrypoint: './src/site/routes/playground.astro' });
      },
    },
  };
}
