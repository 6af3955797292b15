/** A guard that is let go ends nothing: the host lives, and may be starting its next agent (found by killing hosts). */
import { EventEmitter, once } from 'node:events';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type * as childProcess from 'node:child_process';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { guard } from '../../src/adapters/stdio/guard.ts';

const { spawn } = await vi.importActual<typeof childProcess>('node:child_process');
const pretended = vi.hoisted(() => ({ spawn: undefined as unknown as () => unknown }));
vi.mock('node:child_process', async (original) => ({ ...(await original<typeof childProcess>()), spawn: () => pretended.spawn() }));

/** A process that carries a mark of its own, and gives back what it is told. */
function marked() {
  const mark = `test${process.pid}${Math.random().toString(36).slice(2)}`;
  const agent = spawn(process.execPath, ['-e', 'process.stdin.pipe(process.stdout)'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
    env: { ...process.env, REHYDRATE_MARK: `${mark}.1` },
  });
  return { mark, agent };
}

const startGuard = () =>
  spawn(process.execPath, [fileURLToPath(new URL('../../src/adapters/stdio/guard-process.ts', import.meta.url))], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });

describe('the guard', () => {
  it('I7: one whose host is gone ends everything that carries its mark', async () => {
    const { mark, agent } = marked();
    const gone = new Promise((resolve) => agent.once('exit', (_, signal) => resolve(signal)));
    startGuard().stdin.end(`mark ${mark}\n`);
    expect(await gone).toMatch(/SIGTERM|SIGKILL/);
  });

  it('I7: one that was told to rest goes, and ends nothing', async () => {
    const { mark, agent } = marked();
    onTestFinished(() => void agent.kill('SIGKILL'));
    const process = startGuard();
    const left = new Promise((resolve) => process.once('exit', resolve));
    process.stdin.end(`mark ${mark}\nrest\n`);
    await left;
    // One that was sent a signal has died of it before it answers.
    const answer = Promise.race([once(agent.stdout, 'data').then(String), once(agent, 'exit')]);
    agent.stdin.write('still here');
    expect(await answer).toBe('still here');
  });

  it('I7: the host tells it to rest before it lets it go, and not while an agent is there', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const stdin = new PassThrough();
    let told = '';
    stdin.setEncoding('utf8').on('data', (text: string) => (told += text));
    pretended.spawn = () => Object.assign(new EventEmitter(), { stdin, unref: () => undefined });
    guard.ready();
    guard.add(process.pid);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(told).not.toContain('rest');
    guard.remove(process.pid);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(told).toMatch(/\nrest\n$/);
    expect(stdin.writableEnded).toBe(true);
  });
});
