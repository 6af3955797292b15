/** The built site, made again only when what it is made of has changed. */
import { existsSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { filesUnder, hashFiles } from './files.mjs';
import { alive, withLock } from './lock.mjs';
import { PROJECT_NODE, ROOT, STATE_DIR, inRoot } from './paths.mjs';
import { SetupError, projectEnv, run } from './run.mjs';

const SOURCES = [
  ...['src', 'playground', 'content', 'public', 'examples'],
  ...['astro.config.mjs', 'content.config.ts', 'ec.config.mjs', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.base.json'],
];

/** How many builds are kept, beside those that a server still serves. */
const KEPT = 3;

const BUILDS = path.join(STATE_DIR, 'site');

/** Set for a deployment somewhere else; a local build is for this machine. */
const DEPLOYMENT_VARIABLES = ['SITE', 'BASE', 'REPOSITORY_URL', 'CF_PAGES_URL', 'URL', 'VERCEL_PROJECT_PRODUCTION_URL'];

/**
 * @param {(line: string) => void} say
 * @returns {Promise<string>} the folder with the site in it.
 */
export async function ensureSite(say) {
  const hash = await hashFiles(ROOT, SOURCES.flatMap(filesUnder));
  const dir = path.join(BUILDS, hash.slice(0, 16));
  if (existsSync(dir)) return dir;
  return withLock('site', say, async () => {
    if (existsSync(dir)) return dir;
    say('Building the site; this takes some seconds …');
    const making = `${dir}.making`;
    rmSync(making, { recursive: true, force: true });
    const env = projectEnv({ ASTRO_TELEMETRY_DISABLED: '1', NODE_ENV: 'production', NO_COLOR: '1' });
    for (const name of DEPLOYMENT_VARIABLES) delete env[name];
    const { code, output } = await run(PROJECT_NODE, [inRoot('node_modules/astro/bin/astro.mjs'), 'build', '--outDir', making], {
      stdio: 'capture',
      env,
    });
    if (code !== 0) {
      process.stderr.write(output);
      throw new SetupError('The site did not build; what Astro said is above.');
    }
    renameSync(making, dir);
    pruneSites(BUILDS, dir);
    return dir;
  });
}

/**
 * Says that this process serves a build, so that later builds leave it in place: a server whose files are taken away dies.
 * @returns {() => void} says that it no longer does
 */
export function useSite(dir, builds = BUILDS) {
  if (path.dirname(path.resolve(dir)) !== builds) return () => {};
  const mark = `${path.resolve(dir)}.used-by-${process.pid}`;
  writeFileSync(mark, '');
  return () => rmSync(mark, { force: true });
}

const MARK = /^(.+)\.used-by-(\d+)$/;

/** Removes all builds but the newest, the current one and those in use; and the marks of processes that are gone. */
export function pruneSites(builds, current) {
  const names = readdirSync(builds);
  const used = new Set();
  for (const name of names) {
    const [, site, pid] = MARK.exec(name) ?? [];
    if (site === undefined) continue;
    if (alive(Number(pid))) used.add(site);
    else rmSync(path.join(builds, name), { force: true });
  }
  const old = names
    .filter((name) => !MARK.test(name) && !name.endsWith('.making') && !used.has(name))
    .map((name) => path.join(builds, name))
    .filter((found) => found !== current)
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  for (const dir of old.slice(KEPT - 1)) rmSync(dir, { recursive: true, force: true });
}
