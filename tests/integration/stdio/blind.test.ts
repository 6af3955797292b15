/** Agents whose host cannot read the process table: every descriptor is taken, say. What it is told is late then, and true. */
import fs, { mkdtempSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { type RunningProcess, startProcess } from '../../../src/adapters/stdio/agent-process.ts';
import { guard } from '../../../src/adapters/stdio/guard.ts';
import { STDIO_LIMITS } from '../../../src/adapters/stdio/limits.ts';
import { carriesMark, readProcess, readProcesses } from '../../../src/adapters/stdio/process-table.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'rehydrate-blind-'));
const alive = async (): Promise<number> =>
  (await readProcesses()).filter(({ pid, zombie }) => !zombie && carriesMark(pid, guard.mark)).length;

/** From here on, what is read of /proc fails as it does in a process that has no descriptor left; tells how often that was tried. */
function blind(code = 'EMFILE'): () => number {
  let tried = 0;
  const unless =
    <Args extends unknown[], Result>(read: (...args: Args) => Result) =>
    (...args: Args): Result => {
      if (!String(args[0]).startsWith('/proc')) return read(...args);
      tried += 1;
      throw Object.assign(new Error(`${code}: open '${String(args[0])}'`), { code });
    };
  vi.spyOn(fs, 'readdirSync').mockImplementation(unless(fs.readdirSync) as never);
  vi.spyOn(fs, 'readFileSync').mockImplementation(unless(fs.readFileSync) as never);
  syncBuiltinESMExports();
  return () => tried;
}
function sighted(): void {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
}

afterEach(async () => {
  sighted();
  await expect.poll(alive).toBe(0);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** What a process that goes when it is told to may need on a busy machine. */
const PATIENCE_MS = 30_000;
/** The same where it is waited for to the end, as nobody can see that it has gone. */
const BLIND_MS = 5_000;

function sh(script: string, { keepOrphans = false, askMs = 200, termMs = 200 } = {}): Promise<RunningProcess> {
  const limits = { ...STDIO_LIMITS, askMs, termMs, orphanMs: 200, goneMs: 500 };
  return startProcess({ name: 'agent', command: 'sh', args: ['-c', script], cwd: directory, env: process.env }, { limits, keepOrphans });
}
const said = (running: RunningProcess): Promise<unknown> => new Promise((resolve) => running.stdout.once('data', resolve));

describe.skipIf(process.platform !== 'linux')('I7, I8: while the process table cannot be read', () => {
  it('an agent that goes by itself has gone when it can be read again', async () => {
    const agent = await sh('setsid sleep 60 & echo ready; read go; exit 3');
    await said(agent);
    const tried = blind();
    agent.stdin.write('go\n');
    await agent.left;
    const exited = vi.fn();
    void agent.exited.then(exited);
    // It looks again and again, and sees nothing.
    await expect.poll(tried, { timeout: PATIENCE_MS }).toBeGreaterThan(3);
    expect(exited).not.toHaveBeenCalled();
    sighted();
    expect(await agent.exited).toMatchObject({ kind: 'failed', code: 3 });
    expect(await alive()).toBe(0);
  });

  it.each([
    ['ask', 'echo ready; cat', { askMs: BLIND_MS }, { kind: 'ended', code: 0, signal: null }],
    ['ask', 'echo ready; exec sleep 60', { termMs: BLIND_MS }, { kind: 'killed', code: null, signal: 'SIGTERM' }],
    ['ask', "trap '' TERM; echo ready; while :; do sleep 0.05; done", {}, { kind: 'killed', code: null, signal: 'SIGKILL' }],
    ['kill', 'echo ready; cat', {}, { kind: 'killed', code: null, signal: 'SIGKILL' }],
  ] as const)('“%s” ends “%s” all the same, and says what could not be seen', async (how, script, limits, exit) => {
    const agent = await sh(script, limits);
    await said(agent);
    blind();
    expect(await agent.end(how)).toMatchObject(exit);
    expect(agent.diagnostics()).toContain('EMFILE');
    expect(() => process.kill(agent.pid, 0)).toThrow('ESRCH');
  });

  it('what an agent left in its group is ended', async () => {
    const agent = await sh('sleep 60 & echo ready; read go; exit 0');
    await said(agent);
    blind();
    agent.stdin.write('go\n');
    expect(await agent.exited).toMatchObject({ kind: 'quit', code: 0 });
    sighted();
    expect(await alive()).toBe(0);
  });

  it('what may live on is ended when it is asked to', async () => {
    const command = await sh('sleep 60 & echo ready; read go; exit 0', { keepOrphans: true });
    await said(command);
    blind();
    command.stdin.write('go\n');
    await command.left;
    sighted();
    expect(await alive()).toBe(1);
    await command.end('ask');
  });

  it('a process can be started', async () => {
    blind();
    await (await sh('cat')).end('ask');
  });

  it('no process is taken for gone', () => {
    for (const code of ['EMFILE', 'ENFILE', 'ENOMEM']) {
      blind(code);
      expect(() => readProcess(process.pid)).toThrow(code);
      expect(() => carriesMark(process.pid, 'a')).toThrow(code);
      sighted();
    }
    for (const code of ['ENOENT', 'ESRCH', 'EACCES', 'EPERM']) {
      blind(code);
      expect(readProcess(process.pid)).toBeNull();
      sighted();
    }
  });
});
