/** The same from a shell: each call of `rehydrate prompt` is a process of its own, so each call is a wake. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Json } from './support/acp.ts';
import { userText } from './support/model.ts';
import { processesIn } from './support/processes.ts';
import { startWorld, userMessages, type World } from './support/world.ts';

const REHYDRATE = path.resolve(import.meta.dirname, '../../dist/cli/rehydrate.js');
const FACT = 'The codeword is heron.';

let world: World;
beforeEach(async () => {
  world = await startWorld();
  world.model.script((request) => [{ text: userText(request).includes('heron') ? 'I know: heron' : 'I know nothing' }]);
});
afterEach(() => world.end());

function rehydrate(
  command: string,
  args: readonly string[],
  agent = true,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { opencode, file } = world;
  const argv = [REHYDRATE, command, '--db', file, ...args, ...(agent ? ['--', opencode.program, ...opencode.args] : [])];
  const child = spawn(process.execPath, argv, { cwd: opencode.cwd, env: { ...opencode.env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
}

/** The lines of `--json`, by type. */
function lines(stdout: string): { report: Json; events: Json[]; result: Json } {
  const all = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  return { report: all[0]?.report, events: all.filter(({ type }) => type === 'event'), result: all.at(-1) };
}

test('a session lives from call to call; with its store deleted it goes on from the record, under the same id', async () => {
  const first = await rehydrate('prompt', ['--session', 's', FACT]);
  expect(first, first.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining('I know: heron') });
  expect(processesIn(world.opencode.home)).toEqual([]);

  const second = await rehydrate('prompt', ['--session', 's', '--json', 'What is the codeword?']);
  expect(second.code, second.stderr).toBe(0);
  expect(lines(second.stdout)).toMatchObject({
    report: { tier: 'resume', preamble: null },
    result: { type: 'result', stopReason: 'end_turn' },
  });
  expect(userMessages(world.model.requests.at(-1))).toEqual([FACT, 'What is the codeword?']);

  await world.opencode.loseStore();
  const third = await rehydrate('prompt', ['--session', 's', '--json', 'And now?']);
  expect(third.code, third.stderr).toBe(0);
  expect(lines(third.stdout).report).toMatchObject({
    tier: 'transcript',
    attempts: [{ outcome: 'unknown_session' }, { outcome: 'unknown_session' }, { method: 'session/new', outcome: 'ok' }],
  });
  expect(userText(world.model.requests.at(-1)!).split(FACT)).toHaveLength(2);
  expect(processesIn(world.opencode.home)).toEqual([]);

  const sessions = await rehydrate('sessions', ['--json'], false);
  expect(sessions.stdout.trim().split('\n')).toHaveLength(1);
  expect(JSON.parse(sessions.stdout.trim().split('\n')[0] as string)).toMatchObject({ type: 'session', session: { sessionId: 's' } });
});

test('doctor finds that OpenCode comes back by session/resume and hides an unknown session in an internal error', async () => {
  const { opencode } = world;
  const child = spawn(process.execPath, [REHYDRATE, 'doctor', '--json', '--', opencode.program, ...opencode.args], {
    cwd: opencode.cwd,
    env: { ...opencode.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const code = await new Promise((resolve) => child.once('close', resolve));
  const report = JSON.parse(stdout);
  expect(stderr).toContain('--no-prompt');
  expect(report.verdict, stdout).toMatchObject({
    tier: 'resume',
    unknownSession: { load: 'unknown_session', resume: 'unknown_session' },
    breaksProtocol: false,
  });
  expect(report.checks.find(({ id }: { id: string }) => id === 'replay-complete')).toMatchObject({ outcome: 'pass' });
  expect(code).toBe(0);
  expect(processesIn(opencode.home)).toEqual([]);
});
