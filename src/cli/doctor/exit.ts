/** The end: whether the agent goes when its input closes, and what it leaves behind. */
import { readFileSync } from 'node:fs';
import { type RunningProcess, startProcess } from '../../adapters/stdio/agent-process.ts';
import { messageStream } from '../../adapters/stdio/launcher.ts';
import { STDIO_LIMITS } from '../../adapters/stdio/limits.ts';
import type { ProcessEntry } from '../../adapters/stdio/process-table.ts';
import { within } from '../../engine/protocol/connection.ts';
import { count, quote, seconds } from '../format.ts';
import { type Setting, startAgent } from './agent.ts';
import type { Examination } from './examination.ts';
import { breach, fail, type Found, pass, skip } from './report.ts';

/** How long what an agent started may take to follow it. */
const FOLLOW_MS = 3_000;

/** Whether it ends by itself when its input closes, and what it leaves behind. Ended as by a host, but that nothing is cleared away before it was seen. */
export async function lookAtExit(x: Examination): Promise<Found> {
  const { name, cwd, signal } = x;
  const { command, args, env, graceMs = STDIO_LIMITS.askMs } = x.options;
  let running: RunningProcess | undefined;
  const noise: string[] = [];
  const launcher: Setting['launcher'] = {
    async launch() {
      const spec = { name, command, args, cwd, env: { ...process.env, ...env } };
      const { stdin, stdout, exited } = (running = await startProcess(spec, { signal, limits: STDIO_LIMITS, keepOrphans: true }));
      const note = (line: Uint8Array) => void noise.push(Buffer.from(line).toString('utf8'));
      return {
        stream: messageStream(name, { stdin, stdout, note }, STDIO_LIMITS),
        exited,
        end: () => exited,
        diagnostics: () => noise.join('\n'),
      };
    },
  };
  try {
    const agent = await startAgent({ ...x, launcher });
    // A session is where agents start helpers.
    if ((await agent.introduce()).facts) await agent.newSession();
    const [printed, ...more] = agent
      .diagnostics()
      .split('\n')
      .filter((line) => line.trim() !== '');
    const detail = `Not all it writes on stdout is ACP; ${count(1 + more.length, 'time')} something else came: ${quote(printed ?? '')}.`;
    return { ...(printed === undefined ? {} : { initialize: breach(detail) }), ...(await judgeExit(running!, graceMs)) };
  } finally {
    await running?.end('kill');
  }
}

async function judgeExit({ left, pid, stdin, tree }: RunningProcess, graceMs: number): Promise<Found> {
  // The end of its output comes before the news of its exit.
  if ((await within(left, 100)) !== undefined) {
    const died = skip('It died before its input was closed.');
    return { 'clean-exit': died, 'no-orphans': died };
  }
  const isWindows = process.platform === 'win32';
  // Remembered while the tree is whole: a child that leaves its group later cannot hide.
  const before = isWindows ? 1 : (await tree.survivors()).length;
  const began = performance.now();
  stdin.end();
  const clean = await ending();
  if (isWindows) return { 'clean-exit': clean, 'no-orphans': skip('Not examined on Windows.') };
  let orphans = await tree.survivors();
  for (const deadline = performance.now() + FOLLOW_MS; orphans.length > 0 && performance.now() < deadline; orphans = await tree.survivors())
    await new Promise((resolve) => setTimeout(resolve, 50));
  const none = pass(`Nothing was left of its ${count(before, 'process')}.`);
  const some = fail(`It left ${count(orphans.length, 'process')} behind: ${orphans.map(nameOf).join(', ')}.`);
  return { 'clean-exit': clean, 'no-orphans': orphans.length === 0 ? none : some };

  async function ending() {
    const exit = await within(left, graceMs);
    const ms = performance.now() - began;
    if (exit?.code === 0) return pass('It exited with code 0 when its input closed.', ms);
    if (exit) {
      const end = exit.signal ? `died of ${exit.signal}` : `exited with code ${exit.code}`;
      return fail(`When its input closed it ${end}, which a client must take for a crash.`, ms);
    }
    await tree.signal('SIGTERM');
    let how = '; SIGTERM ended it';
    if (!(await within(left, STDIO_LIMITS.termMs))) {
      how = ', and in spite of SIGTERM; a client has to kill it';
      // Itself alone: what it started must be able to show whether it follows.
      process.kill(pid, 'SIGKILL');
      await within(left, STDIO_LIMITS.goneMs);
    }
    return fail(`It was still running ${seconds(graceMs)} after its input had closed${how}.`, performance.now() - began);
  }
}

function nameOf({ pid }: ProcessEntry): string {
  if (process.platform !== 'linux') return String(pid);
  try {
    return `${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()} (${pid})`;
  } catch {
    return String(pid); // it went just now
  }
}
