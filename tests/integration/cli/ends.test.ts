/** How calls end: signals, kills, two at once, readers that leave. In every case the tree is gone. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { still } from '../../support/still.ts';
import { AGENT, BIN, build, BUILD_MS, errorOf, gone, replyOf, scratch, tierOf } from './harness.ts';
import type { Scratch } from './harness.ts';

beforeAll(build, BUILD_MS);
let at: Scratch;
beforeEach(() => {
  at = scratch();
});
afterEach(async () => {
  await gone(at.directory);
  at.remove();
});

/** Starts a prompt that takes long, and resolves when it speaks. */
async function speaking(text = 'count to 5000', variant = 'native', more: readonly string[] = [], node?: string) {
  const running = at.start(
    ['prompt', '--db', at.db, '--json', ...more, text, '--', ...at.agent(variant)],
    node === undefined ? {} : { node },
  );
  await running.saw('agent_message_chunk');
  return running;
}

const lastTurn = async () => {
  const { lines } = await at.run(['history', '--db', at.db, '--json', 'main']);
  return lines.flatMap(({ event }) => (event?.kind === 'turn_ended' ? [event.payload.state] : [])).at(-1);
};

describe('I7, I8: signals', () => {
  it('Ctrl-C asks the agent to stop: 130, the turn cancelled, nothing left', async () => {
    const running = await speaking();
    running.child.kill('SIGINT');
    const done = await running.done;
    expect([done.code, done.lines.at(-1)?.type, done.lines.at(-1)?.stopReason]).toEqual([130, 'result', 'cancelled']);
    expect(at.left()).toEqual([]);
    expect(await lastTurn()).toBe('cancelled');
  });

  it('a second Ctrl-C kills an agent that does not stop: 130, the turn interrupted', async () => {
    const running = await speaking('hang', 'stubborn');
    running.child.kill('SIGINT');
    expect(at.left().length).toBeGreaterThan(0);
    // Two signals in one moment are one: pressed again and again, as people do, the second is heard.
    const again = setInterval(() => running.child.kill('SIGINT'), 200);
    const done = await running.done.finally(() => clearInterval(again));
    expect([done.code, errorOf(done)]).toEqual([130, 'turn_outcome_unknown']);
    expect(at.left()).toEqual([]);
    expect(await lastTurn()).toBe('interrupted');
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s: exit %i, the turn interrupted, nothing left, and the next prompt goes on', async (signal, code) => {
    const running = await speaking();
    running.child.kill(signal);
    const done = await running.done;
    expect([done.code, errorOf(done)]).toEqual([code, 'turn_outcome_unknown']);
    expect(at.left()).toEqual([]);
    expect(await lastTurn()).toBe('interrupted');
    expect((await at.prompt('say on we go')).code).toBe(0);
  });
});

describe('before anything runs', () => {
  /** The processor time that a process has had, in ticks, as /proc has it. */
  const spent = (pid: number): number => {
    const [, , , , , , , , , , , user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    return Number(user) + Number(system);
  };

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s while the prompt is awaited on stdin ends it at once: %i', async (signal, code) => {
    const running = at.start(['prompt', '--db', at.db, '-', '--', ...at.agent()]);
    // Nothing tells from outside that its handlers are set, but that it rests; a signal before them kills it, which is right too.
    await expect.poll(() => spent(running.pid)).toBeGreaterThan(0);
    await still(() => spent(running.pid));
    running.child.kill(signal);
    const done = await running.done;
    expect(done.code === code || done.signal === signal).toBe(true);
    expect(existsSync(at.db)).toBe(false);
  });
});

describe('I5, I12: kill -9 in the middle of a turn', () => {
  it('the agents die, the turn is interrupted, only the same key is told of it, the next prompt resumes', async () => {
    await at.prompt('my name is Ada');
    const running = await speaking('count to 5000', 'native', ['--idempotency-key', 'k']);
    running.child.kill('SIGKILL');
    expect((await running.done).signal).toBe('SIGKILL');
    await gone(at.directory);
    const same = await at.prompt('count to 5000', 'native', '--idempotency-key', 'k');
    expect([same.code, errorOf(same)]).toEqual([5, 'turn_outcome_unknown']);
    expect(same.lines.at(-1)?.data).toMatchObject({ cause: expect.anything() });
    const next = await at.prompt('what is my name?');
    expect([next.code, tierOf(next)]).toEqual([0, 'resume']);
    expect(replyOf(next)).toContain('Ada');
    expect(errorOf(await at.prompt('count to 5000', 'native', '--idempotency-key', 'k'))).toBe('turn_outcome_unknown');
  });

  it('an agent that crashes in the turn: 5, and its exit is told as it was', async () => {
    const done = await at.prompt('crash');
    expect([done.code, errorOf(done)]).toEqual([5, 'turn_outcome_unknown']);
    const { lines } = await at.run(['history', '--db', at.db, '--json', 'main']);
    expect(lines.flatMap(({ event }) => (event?.kind === 'agent_exited' ? [event.payload] : []))).toMatchObject([
      { kind: 'failed', code: 3 },
    ]);
    expect((await at.prompt('say on we go')).code).toBe(0);
  });
});

describe('I9: two calls at once', () => {
  it('the second is busy and told who has it; reading goes on; another session is free', async () => {
    const running = await speaking();
    const second = await at.prompt('say me too');
    // The first one's events come all the while, and are not this call's to show.
    expect([second.code, second.lines.map(({ type, code }) => code ?? type)]).toEqual([4, ['session_busy']]);
    expect(second.stderr).toContain(String(running.pid));
    expect(await at.run(['prompt', '--db', at.db, 'say me too', '--', ...at.agent()])).toMatchObject({ code: 4, stdout: '' });
    expect((await at.run(['history', '--db', at.db, 'main'])).stdout).toContain('count to 5000');
    expect(await at.run(['delete', '--db', at.db, 'main'])).toMatchObject({ code: 4, stderr: expect.stringContaining('session_busy') });
    expect((await at.prompt('say me too', 'native', '--session', 'other')).code).toBe(0);
    running.child.kill('SIGINT');
    await running.done;
    expect((await at.prompt('say me too')).code).toBe(0);
  });
});

describe('I9: two calls at once on a session that is not there yet', () => {
  /** A call whose agent does not start before `go`: by then it has looked for the session and found none. */
  const late = async () => {
    const gate = path.join(at.directory, 'go');
    const words = at
      .agent()
      .map((word) => `'${word}'`)
      .join(' ');
    const running = at.start([
      'prompt',
      '--db',
      at.db,
      '--json',
      'say me too',
      '--',
      'sh',
      '-c',
      `while [ ! -e '${gate}' ]; do sleep 0.05; done; exec ${words}`,
    ]);
    await expect.poll(() => at.left().some((line) => /^\d+ sh -c while/.test(line))).toBe(true);
    return { done: running.done, go: () => writeFileSync(gate, '') };
  };

  it('the one that is too late is busy, as with any session', async () => {
    const second = await late();
    const first = await speaking();
    second.go();
    const done = await second.done;
    expect([done.code, errorOf(done)]).toEqual([4, 'session_busy']);
    first.child.kill('SIGINT');
    await first.done;
  });

  it('or comes behind the first, when that has ended, and shows its own turn only', async () => {
    const second = await late();
    expect((await at.prompt('say me first')).code).toBe(0);
    second.go();
    const done = await second.done;
    expect([done.code, replyOf(done)]).toEqual([0, 'me too']);
  });
});

describe('readers that leave', () => {
  it('I10: a reader that reads nothing holds the writer up, and cannot keep it from ending', async () => {
    const child = spawn(
      process.execPath,
      [BIN, 'prompt', '--db', at.db, '--json', 'stream 200000 chunks', '--', ...at.agent('native', '--pace', '0')],
      { cwd: at.directory, stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const code = new Promise((resolve) => child.on('exit', resolve));
    const stored = async () => (await at.run(['sessions', '--db', at.db, '--json'])).stdout.match(/"latestSeq":(\d+)/)?.[1] ?? '0';
    // Each is a line of more than 100 bytes, and a pipe holds 64 KiB. How many come before the writer is held up is for the storage's speed to
    // say: the slower it is, the more chunks are one event.
    await expect.poll(async () => Number(await stored()), { timeout: 200_000, interval: 500 }).toBeGreaterThan(1_000);
    child.kill('SIGTERM');
    expect(await code).toBe(143);
    child.stdout.resume();
  });

  it('a closed stdout ends neither the turn nor the record', async () => {
    const running = at.start(['prompt', '--db', at.db, 'stream 400 chunks', '--', ...at.agent()]);
    await running.saw('chunk 1 ');
    running.child.stdout?.destroy();
    expect((await running.done).code).toBe(0);
    expect(await lastTurn()).toBe('completed');
    const head = spawnSync('sh', ['-c', `'${process.execPath}' '${BIN}' history --db '${at.db}' --json main | head -n 1`], {
      encoding: 'utf8',
    });
    expect(JSON.parse(head.stdout)).toMatchObject({ type: 'event' });
    expect(head.stderr).toBe('');
  });
});

describe.skipIf(!existsSync('/dev/full'))('a stdout on a full disk', () => {
  const call = (to: string, ...args: string[]) =>
    spawnSync('sh', ['-c', `exec "$0" "$@" ${to}`, process.execPath, BIN, ...args], { cwd: at.directory, encoding: 'utf8', input: '' });

  it.each([[[]], [['--json']]])('%j: the turn goes on and is in the record; it is told, and exit 1', async (options) => {
    const done = call('>/dev/full', 'prompt', '--db', at.db, ...options, 'count to 30', '--', ...at.agent());
    expect(done.status).toBe(1);
    expect(done.stderr.match(/rehydrate: stdout cannot be written: ENOSPC/g)).toHaveLength(1);
    expect(done.stderr).not.toMatch(/^ +at /m);
    expect(await lastTurn()).toBe('completed');
    const history = await at.run(['history', '--db', at.db, 'main']);
    expect(history.stdout).toContain(' 30');
  });

  it('every call that writes tells it; one that fails otherwise exits as it would', async () => {
    expect((await at.prompt('say hi')).code).toBe(0);
    for (const words of [
      ['sessions', '--db', at.db],
      ['history', '--db', at.db, '--json', 'main'],
      ['transcript', '--db', at.db, 'main'],
      ['--help'],
      ['--version'],
    ]) {
      const done = call('>/dev/full', ...words);
      expect([words[0], done.status]).toEqual([words[0], 1]);
      expect(done.stderr).toContain('stdout cannot be written');
    }
    expect(call('>/dev/full', 'prompt', '--json', '--nonsense').status).toBe(2);
    expect(call('2>/dev/full', 'prompt', '--db', at.db, 'say hi', '--', ...at.agent())).toMatchObject({ status: 0, stdout: 'hi\n' });
  });
});

// An older Node re-executes itself on the one that came with the package.
const OLD = ['/usr/bin/node', '/usr/local/bin/node'].find((file) => {
  if (!existsSync(file)) return false;
  const [major = 0] = spawnSync(file, ['-p', 'process.versions.node'], { encoding: 'utf8' }).stdout.split('.').map(Number);
  return major >= 18 && major < 22;
});

describe.skipIf(OLD === undefined)('on a Node without SQLite', () => {
  it('a call runs on the Node beside it, without a warning', async () => {
    const done = await at.run(['prompt', '--db', at.db, 'say hi', '--', ...at.agent()], { node: OLD });
    expect(done).toMatchObject({ code: 0, stdout: 'hi\n' });
    expect(done.stderr).not.toContain('Warning');
    expect((await at.run(['prompt', '--nonsense'], { node: OLD })).code).toBe(2);
  });

  it('kill -9 of the outer process ends all of it', async () => {
    const running = await speaking('count to 5000', 'native', [], OLD);
    running.child.kill('SIGKILL');
    await gone(at.directory);
    expect((await at.prompt('say on we go')).code).toBe(0);
    expect(await lastTurn()).toBe('completed');
  });

  it('a signal to the outer process alone counts once', async () => {
    const running = await speaking('count to 5000', 'native', [], OLD);
    running.child.kill('SIGINT');
    const done = await running.done;
    expect([done.code, done.lines.at(-1)?.stopReason]).toEqual([130, 'cancelled']);
  });

  it('a signal to the whole group, as a terminal sends it, counts once', async () => {
    const child = spawn(
      OLD as string,
      [BIN, 'prompt', '--db', at.db, '--json', 'count to 5000', '--', process.execPath, AGENT, '--store', at.store],
      { detached: true, stdio: ['ignore', 'pipe', 'ignore'] },
    );
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    const code = new Promise((resolve) => child.on('close', resolve));
    await expect.poll(() => out).toContain('agent_message_chunk');
    process.kill(-(child.pid as number), 'SIGINT');
    expect(await code).toBe(130);
    expect(JSON.parse(out.trim().split('\n').at(-1) ?? '')).toMatchObject({ type: 'result', stopReason: 'cancelled' });
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s: exit %i', async (signal, code) => {
    const running = await speaking('count to 5000', 'native', [], OLD);
    running.child.kill(signal);
    expect((await running.done).code).toBe(code);
  });
});
