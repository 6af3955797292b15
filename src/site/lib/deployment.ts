/** Where the site will be served, from the environment of the build. */
export interface Deployment {
  /** The origin, for canonical links, the sitemap and social cards. */
  readonly site: string;
  /** The path the site is served under: `/` or `/name/`. */
  readonly base: string;
  /** The repository's web address without a trailing slash, or null when none is known. */
  readonly repository: string | null;
}

type Env = Readonly<Record<string, string | undefined>>;

/** For every build; empty while there is none. `REPOSITORY_URL` wins, for a fork. */
const REPOSITORY = '';

const LOCAL = 'http://127.0.0.1:4321';

/**
 * `SITE` and `BASE` win over the variables of common static hosts. A `SITE` with a path and no `BASE` gives both, so that
 * `SITE=https://me.github.io/docs` is enough.
 */
export function deploymentFrom(env: Env): Deployment {
  const vercel = env['VERCEL_PROJECT_PRODUCTION_URL'];
  const url = new URL(env['SITE'] || env['CF_PAGES_URL'] || env['URL'] || (vercel ? `https://${vercel}` : LOCAL));
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new Error(`SITE is "${url.href}". Give the http or https address the site will be served at.`);
  }
  const path = (env['BASE'] ?? url.pathname).replace(/^\/+|\/+$/g, '');
  const repository = (env['REPOSITORY_URL'] || REPOSITORY).replace(/(\.git)?\/*$/, '') || null;
  return { site: url.origin, base: path === '' ? '/' : `/${path}/`, repository };
}
