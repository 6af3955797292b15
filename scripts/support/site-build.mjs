/** The built site, made again only when what it is made of has changed. */
import { createHash } from 'node:crypto';
import { existsSync, globSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { PROJECT_NODE, ROOT, STATE_DIR, SetupError, inRoot, projectEnv, run, withLock } from './setup.mjs';

const SOURCES = [
  '{src,playground,content,public,examples}/**',
  '{astro.config.mjs,content.config.ts,ec.config.mjs,package.json,package-lock.json,tsconfig.json,tsconfig.base.json}',
];

/** A build that nobody used for so long is removed when another is made. */
const KEPT_MS = 24 * 60 * 60 * 1000;

const BUILDS = path.join(STATE_DIR, 'site');

/** Set for a deployment somewhere else; a local build is for this machine. */
const DEPLOYMENT_VARIABLES = ['SITE', 'BASE', 'REPOSITORY_URL', 'CF_PAGES_URL', 'URL', 'VERCEL_PROJECT_PRODUCTION_URL'];

/** A hash of names and contents: what was built from them is good for as long as it stays the same. */
function fingerprint() {
  const hash = createHash('sha256');
  for (const file of globSync(SOURCES, { cwd: ROOT }).sort())
    if (statSync(inRoot(file)).isFile())
      hash
        .update(`${file}\0`)
        .update(readFileSync(inRoot(file)))
        .update('\0');
  return hash.digest('hex').slice(0, 16);
}

/**
 * @param {(line: string) => void} say
 * @returns {Promise<string>} the folder with the site in it.
 */
export async function ensureSite(say) {
  const dir = path.join(BUILDS, fingerprint());
  if (existsSync(dir)) return dir;
  return withLock('site', async () => {
    if (existsSync(dir)) return dir;
    say('Building the site; this takes some seconds …');
    const making = `${dir}.making`;
    rmSync(making, { recursive: true, force: true });
    const env = projectEnv({ ASTRO_TELEMETRY_DISABLED: '1', NODE_ENV: 'production', NO_COLOR: '1' });
    for (const name of DEPLOYMENT_VARIABLES) delete env[name];
    const astro = [inRoot('node_modules/astro/bin/astro.mjs'), 'build', '--outDir', making];
    const { code, output } = await run(PROJECT_NODE, astro, { stdio: 'capture', env });
    if (code !== 0) {
      process.stderr.write(output);
      throw new SetupError('The site did not build; what Astro said is above.');
    }
    renameSync(making, dir);
    pruneSites(BUILDS);
    return dir;
  });
}

/** Removes the builds that nobody made or served for a day. */
export function pruneSites(builds, now = Date.now()) {
  for (const name of readdirSync(builds))
    if (statSync(path.join(builds, name)).mtimeMs < now - KEPT_MS) rmSync(path.join(builds, name), { recursive: true, force: true });
}

/**
 * Says that this process serves a build, so that later ones leave it in place: a server whose files are taken away dies.
 * @returns {() => void} says that it no longer does
 */
export function useSite(dir) {
  const touch = () => utimesSync(dir, new Date(), new Date());
  touch();
  const timer = setInterval(touch, KEPT_MS / 24).unref();
  return () => clearInterval(timer);
}
