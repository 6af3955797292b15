/** The library inside somebody's bundle: the guard is a program of its own, and must be found, or said to be missing. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { build, type Format } from 'esbuild';
import { expect, inject, onTestFinished, test } from 'vitest';
import { write } from './support/project.ts';
import { NODE } from './support/run.ts';

const project = inject('nodeProject');
const PACKAGE = path.join(project, 'node_modules/acp-rehydrate');
/** Says its agent's pid, and stays. */
const HOST = `import { stdioLauncher } from 'acp-rehydrate/stdio';
const launcher = stdioLauncher({ agents: { sleeper: { command: process.execPath, args: ['-e', 'setInterval(() => {}, 1000); console.log(JSON.stringify({ jsonrpc: "2.0", method: "pid", params: process.pid }))'] } } });
launcher.launch({ agent: 'sleeper', cwd: process.cwd(), env: {}, sessionId: 's' }, { signal: new AbortController().signal }).then(async (agent) => {
  console.log((await agent.stream.readable.getReader().read()).value.params);
});
`;

async function hostIn(folder: string, format: Format, file: string, withGuard: boolean) {
  const outdir = path.join(project, folder);
  mkdirSync(outdir, { recursive: true });
  write(project, { [`${folder}/entry.mjs`]: HOST });
  await build({
    entryPoints: [path.join(outdir, 'entry.mjs')],
    outfile: path.join(outdir, file),
    bundle: true,
    platform: 'node',
    format,
    logLevel: 'error',
    logOverride: { 'empty-import-meta': 'silent' },
  });
  if (withGuard) copyFileSync(path.join(PACKAGE, 'dist/adapters/stdio/guard-process.js'), path.join(outdir, 'guard-process.js'));
  const host = spawn(NODE, [path.join(outdir, file)], { cwd: outdir, stdio: ['ignore', 'pipe', 'pipe'] });
  let warned = '';
  host.stderr.setEncoding('utf8').on('data', (text: string) => (warned += text));
  const closed = once(host, 'close');
  const [line] = (await once(host.stdout, 'data')) as [Buffer];
  const agent = Number(String(line));
  onTestFinished(() => {
    host.kill('SIGKILL');
    if (lives(agent)) process.kill(agent, 'SIGKILL');
  });
  return { host, agent, closed, warned: () => warned };
}

/** A process that nobody has collected yet is gone all the same: it has no command line. */
const lives = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
  } catch {
    return false;
  }
};

test.each(['bundle.mjs', 'bundle.js'])('I7: with the guard’s file beside %s, an agent ends with a host that is killed', async (file) => {
  const { host, agent, closed, warned } = await hostIn(`with-guard-${file.split('.').pop()}`, 'esm', file, true);
  expect(lives(agent)).toBe(true);
  host.kill('SIGKILL');
  await expect.poll(() => lives(agent)).toBe(false);
  // Then it has said all it had to say.
  await closed;
  expect(warned()).toBe('');
});

test.each([
  ['bundle.mjs', 'esm'],
  ['bundle.cjs', 'cjs'],
] as const)('without it, %s runs, and says what may happen and what to do', async (file, format) => {
  const { warned } = await hostIn(`without-guard-${format}`, format, file, false);
  await expect.poll(warned).toMatch(/\[REHYDRATE_NO_GUARD\].*may outlive.*guard-process\.js beside the bundle/);
});
