/** What a guard does when its host is gone. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

it('I7: a guard whose host is gone ends everything that carries its mark', async () => {
  const mark = `test${process.pid}${Math.random().toString(36).slice(2)}`;
  const agent = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    env: { ...process.env, REHYDRATE_MARK: `${mark}.1` },
  });
  const gone = new Promise((resolve) => agent.once('exit', (_, signal) => resolve(signal)));
  const file = fileURLToPath(new URL('../../src/adapters/stdio/guard-process.ts', import.meta.url));
  spawn(process.execPath, [file], { stdio: ['pipe', 'ignore', 'inherit'] }).stdin.end(`mark ${mark}\n`);
  expect(await gone).toMatch(/SIGTERM|SIGKILL/);
});
