/**
 * Builds dist/ with tsc, and dist/browser/ from that. Nothing is done when neither sources nor compiler changed since the last build. Files
 * are compiled beside dist/ and put in place one by one, each in one step, so that a program that
 * runs from dist/ meanwhile finds every file whole.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

const ROOT = path.resolve(import.meta.dirname, '..');
const DIST = path.join(ROOT, 'dist');
const STAMP = path.join(DIST, '.build-hash');
const SOURCES = ['engine', 'adapters', 'bridge', 'server', 'cli', 'testing'].map((name) => path.join(ROOT, 'src', name));
const SETTINGS = [
  'tsconfig.base.json',
  'tsconfig.build.json',
  'scripts/build-lib.mjs',
  ...['typescript', 'esbuild'].map((name) => `node_modules/${name}/package.json`),
];
const EXECUTABLE = ['cli/rehydrate.js'];

/** Relative paths of all files under a directory. */
function filesIn(directory) {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)))
    .sort();
}

/** What a build depends on, as one hash. */
function sourceHash() {
  const hash = createHash('sha256');
  const add = (file) => {
    const content = readFileSync(path.join(ROOT, file));
    hash.update(`${file}\0${content.length}\0`).update(content);
  };
  for (const directory of SOURCES) for (const file of filesIn(directory)) add(path.relative(ROOT, path.join(directory, file)));
  for (const file of SETTINGS) add(file);
  return hash.digest('hex');
}

function isBuilt(hash) {
  if (!existsSync(STAMP)) return false;
  const [built, ...files] = readFileSync(STAMP, 'utf8').trimEnd().split('\n');
  return built === hash && files.every((file) => existsSync(path.join(DIST, file)));
}

/** Source maps that name the sources as seen from dist/, and not from where they were built. */
function settleMaps(built) {
  for (const file of filesIn(built).filter((name) => name.endsWith('.map'))) {
    const [from, to] = [path.join(built, file), path.join(DIST, file)];
    const map = JSON.parse(readFileSync(from, 'utf8'));
    const settled = map.sources.map((source) =>
      path
        .relative(path.dirname(to), path.resolve(path.dirname(from), source))
        .split(path.sep)
        .join('/'),
    );
    writeFileSync(from, JSON.stringify({ ...map, sources: settled }));
  }
}

/** Makes dist/ hold exactly what was built; what is the same stays untouched. */
function putInPlace(built) {
  const files = filesIn(built);
  for (const file of files) {
    const [from, to] = [path.join(built, file), path.join(DIST, file)];
    if (EXECUTABLE.includes(file)) chmodSync(from, 0o755);
    if (existsSync(to) && readFileSync(from).equals(readFileSync(to))) continue;
    mkdirSync(path.dirname(to), { recursive: true });
    renameSync(from, to);
  }
  const wanted = new Set(files);
  // Stamps belong to whoever writes them: another build may be doing so.
  for (const file of filesIn(DIST))
    if (!wanted.has(file) && !file.startsWith(path.basename(STAMP))) rmSync(path.join(DIST, file), { force: true });
  return files;
}

function writeStamp(hash, files) {
  const unfinished = `${STAMP}.${process.pid}`;
  writeFileSync(unfinished, `${hash}\n${files.join('\n')}\n`);
  renameSync(unfinished, STAMP);
}

/** Entries of the package that have a use in a page, as folders of the build. */
const BROWSER_ENTRIES = ['engine', 'adapters/sqljs', 'adapters/websocket', 'adapters/worker'];

/**
 * The files for pages without npm: what tsc built, bundled into `built/browser`, with no import by a bare name, which a page could only
 * resolve with an import map, and a worker not at all. `acp-rehydrate.js`, one module with all names of the browser's
 * entries, and `agent.js`, a scripted agent for `new Worker(…, { type: 'module' })`.
 *
 * sql.js stays outside: it is an optional peer with a licence and a release of its own.
 */
async function buildBrowserFiles(built) {
  const common = {
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2024',
    outdir: path.join(built, 'browser'),
    logLevel: 'warning',
  };
  await build({
    ...common,
    stdin: {
      contents: BROWSER_ENTRIES.map((entry) => `export * from './${entry}/index.js';`).join('\n'),
      resolveDir: built,
      sourcefile: 'acp-rehydrate.js',
    },
    // Only asked for where the page gives no sql.js of its own; then an import map may name it.
    external: ['sql.js'],
    entryNames: 'acp-rehydrate',
    sourcemap: true,
  });
  await build({ ...common, entryPoints: { agent: path.join(built, 'testing/agents/worker.js') } });
}

/** The guard as one file that needs no other, in its place, so that who bundles the library can put it beside the bundle. */
async function buildGuardFile(built) {
  const file = path.join(built, 'adapters/stdio/guard-process.js');
  await build({
    entryPoints: [file],
    outfile: file,
    allowOverwrite: true,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    sourcemap: true,
    logLevel: 'warning',
  });
}

const hash = sourceHash();
if (isBuilt(hash)) {
  console.log('dist/ is up to date.');
} else {
  // On the same file system as dist/, and ignored by everything.
  const cache = path.join(ROOT, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const built = mkdtempSync(path.join(cache, 'build-lib-'));
  try {
    const tsc = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', built, '--noEmitOnError'], {
      cwd: ROOT,
      stdio: 'inherit',
    });
    if (status !== 0) {
      console.error('The library was not built; dist/ is as it was.');
      process.exitCode = 1;
    } else {
      await buildBrowserFiles(built);
      await buildGuardFile(built);
      settleMaps(built);
      mkdirSync(DIST, { recursive: true });
      writeStamp(hash, putInPlace(built));
      console.log('dist/ is built.');
    }
  } finally {
    rmSync(built, { recursive: true, force: true });
  }
}
