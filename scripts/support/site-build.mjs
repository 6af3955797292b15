/** Builds the site, if its sources have changed. */
import path from 'node:path';
import { ensureMade, inRoot, projectEnv, PROJECT_NODE, run, SetupError, STATE_DIR } from './setup.mjs';

const SOURCES = [
  '{src,playground,content,public,examples,tests/agents-compat/frames}/**',
  '{astro.config.mjs,content.config.ts,ec.config.mjs,package.json,package-lock.json,tsconfig.json,tsconfig.base.json}',
];

/** A local build is for this machine. */
const DEPLOYMENT_VARIABLES = ['SITE', 'BASE', 'REPOSITORY_URL', 'CF_PAGES_URL', 'URL', 'VERCEL_PROJECT_PRODUCTION_URL'];

/** @returns {Promise<string>} the folder with the site in it. */
export async function ensureSite() {
  const dir = path.join(STATE_DIR, 'site');
  await ensureMade(dir, SOURCES, async (making) => {
    console.error('Building the site; this takes some seconds …');
    const env = projectEnv({ ASTRO_TELEMETRY_DISABLED: '1', NODE_ENV: 'production', NO_COLOR: '1' });
    for (const name of DEPLOYMENT_VARIABLES) delete env[name];
    const astro = [inRoot('node_modules/astro/bin/astro.mjs'), 'build', '--outDir', making];
    const { code, output } = await run(PROJECT_NODE, astro, { stdio: 'capture', env });
    if (code !== 0) throw new SetupError(`${output}\nThe site did not build; what Astro said is above.`);
  });
  return dir;
}
