/** Agents as process trees: what they leave, how they end, what the host sees. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { guard } from '../../../src/adapters/stdio/guard.ts';
import { startProcess } from '../../../src/adapters/stdio/agent-process.ts';
import { STDIO_LIMITS, stdioLauncher, type StdioLauncherOptions, type StdioLimits } from '../../../src/adapters/stdio/index.ts';
import { messageStream } from '../../../src/adapters/stdio/launcher.ts';
import { carriesMark, readProcesses } from '../../../src/adapters/stdio/process-table.ts';
import type { AgentProcess } from '../../../src/engine/ports.ts';
import { held, still } from '../../support/still.ts';
import { writtenByAgents } from '../../support/written.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'rehydrate-stdio-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let launched: AgentProcess[] = [];
afterEach(async () => {
  await Promise.all(launched.map((process) => process.end('kill')));
  launched = [];
  expect(await alive()).toBe(0);
});

const alive = async (): Promise<number> =>
  (await readProcesses()).filter(({ pid, zombie }) => !zombie && carriesMark(pid, guard.mark)).length;
const LIMITS: Partial<StdioLimits> = { askMs: 200, termMs: 200, orphanMs: 200 };
/** What a process that goes when it is told to may need on a busy machine. */
const PATIENCE_MS = 30_000;
/** Told from every other sleeper of the machine by its last digits: some of them can be found by nothing else. */
const NAP = `60.${process.pid}${Math.random().toString().slice(2, 8)}`;

async function launch(
  command: string,
  args: string[] = [],
  { cwd = directory, env, ...options }: Partial<StdioLauncherOptions> & { cwd?: string; env?: Record<string, string> } = {},
): Promise<AgentProcess> {
  const launcher = stdioLauncher({ agents: { agent: { command, args } }, ...options, limits: { ...LIMITS, ...options.limits } });
  const process = await launcher.launch(
    { agent: 'agent', cwd, sessionId: 's', ...(env === undefined ? {} : { env }) },
    { signal: new AbortController().signal },
  );
  launched.push(process);
  return process;
}
const sh = (script: string, options = {}): Promise<AgentProcess> => launch('sh', ['-c', script], options);

async function next(agent: AgentProcess): Promise<unknown> {
  const reader = agent.stream.readable.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  return value;
}
const READY = `printf '{"jsonrpc":"2.0","method":"ready"}\\n'`;
const readyOf = async (script: string, options = {}): Promise<AgentProcess> => {
  const agent = await sh(script, options);
  expect(await next(agent)).toMatchObject({ method: 'ready' });
  return agent;
};

describe.skipIf(process.platform === 'win32')('I7: the whole tree goes', () => {
  const trees: [string, string][] = [
    ['children in the group', `sleep ${NAP} & sleep ${NAP} & ${READY}; wait`],
    ['children deaf to SIGTERM', `(trap "" TERM; sleep ${NAP}) & trap "" TERM; ${READY}; while :; do sleep 1; done`],
    ['a child in a session of its own', `setsid sleep ${NAP} & sleep 0.1; ${READY}; cat`],
    ['a daemon, twice removed', `(setsid sh -c '(sleep ${NAP} &) ; exit' &) ; sleep 0.2; ${READY}; cat`],
    ['a child that hid its environment', `env -i setsid sleep ${NAP} & sleep 0.1; ${READY}; cat`],
    ['a stopped child', `sleep ${NAP} & until [ "$(cat /proc/$!/comm)" = sleep ]; do sleep 0.05; done; kill -STOP $!; ${READY}; cat`],
    ['a grandchild of a child that left', `(sh -c 'sleep ${NAP} & wait' &); sleep 0.1; ${READY}; cat`],
  ];
  it.skipIf(process.platform !== 'linux').each(trees)('%s', async (_name, script) => {
    for (const how of ['ask', 'kill'] as const) {
      const agent = await readyOf(script);
      await expect.poll(sleepers, { timeout: PATIENCE_MS }).not.toEqual([]);
      await agent.end(how);
      expect(sleepers()).toEqual([]);
    }
  });

  it('when the agent goes by itself, before it counts as gone', async () => {
    const agent = await sh('setsid sleep 60 & (trap "" TERM; sleep 60) & sleep 0.1; exit 5');
    expect(await agent.exited).toEqual({ kind: 'failed', code: 5, signal: null });
    expect(await alive()).toBe(0);
  });

  it.skipIf(process.platform !== 'linux').each([
    ['holds both outputs', `sleep ${NAP}`],
    ['writes on', `while sleep 0.05; do echo x; echo x >&2; done`],
  ])('what nobody can find, and %s: they are let go, so that the host can end', async (_name, script) => {
    const limits = { ...STDIO_LIMITS, ...LIMITS };
    const agent = await startProcess(
      {
        name: 'agent',
        command: 'sh',
        args: ['-c', `(env -i setsid sh -c '${script}' &); sleep 0.1; exit 0`],
        cwd: directory,
        env: process.env,
      },
      { limits },
    );
    const closed = [agent.stdout, agent.stderr].map((output) => once(output, 'close'));
    messageStream('agent', agent, limits);
    expect(await agent.exited).toMatchObject({ kind: 'quit', code: 0 });
    await Promise.all(closed);
    for (const pid of sleepers()) process.kill(pid, 'SIGKILL');
  });

  it('and the agents of another host stay', async () => {
    const other = spawn('cat', {
      env: { ...process.env, REHYDRATE_MARK: 'ffffffffffffffffffffffff.1' },
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await (await readyOf(`${READY}; cat`)).end('kill');
    // One that was sent a signal has died of it before it answers.
    const answer = Promise.race([once(other.stdout, 'data').then(String), once(other, 'exit')]);
    other.stdin.end('still here');
    expect(await answer).toBe('still here');
  });

  it('a host among agents hands its marks on, so that the outer one finds all', async () => {
    process.env['REHYDRATE_MARK'] = 'outer.1';
    const agent = await sh('printf \'{"jsonrpc":"2.0","method":"%s"}\\n\' "$REHYDRATE_MARK"; cat');
    delete process.env['REHYDRATE_MARK'];
    expect(await next(agent)).toMatchObject({ method: expect.stringMatching(new RegExp(`^outer\\.1,${guard.mark}\\.`)) as string });
  });

  /** Processes of this file that sleep, marked or not. */
  function sleepers(): number[] {
    const pids = readdirSync('/proc').filter((pid) => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8') === `sleep\0${NAP}\0`;
      } catch (error) {
        if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
        throw error;
      }
    });
    return pids.map(Number);
  }
});

describe('I8: exits', () => {
  const rows: [string, string, object][] = [
    ['by itself with 0', 'exit 0', { kind: 'quit', code: 0, signal: null }],
    ['by itself with 3', 'exit 3', { kind: 'failed', code: 3, signal: null }],
    ['of a signal', 'kill -KILL $$', { kind: 'signalled', code: null, signal: 'SIGKILL' }],
    [
      'with last words',
      'echo "line one" >&2; echo "line two" >&2; exit 1',
      { kind: 'failed', code: 1, signal: null, stderr: 'line one\nline two' },
    ],
  ];
  it.each(rows)('%s', async (_name, script, expected) => {
    expect(await (await sh(script)).exited).toEqual(expected);
  });

  it('when asked: by its answer to that', async () => {
    // Only that runs out which does not help.
    const asked: [string, Partial<StdioLimits>, object][] = [
      [`${READY}; cat`, { askMs: PATIENCE_MS }, { kind: 'ended', code: 0 }],
      [`${READY}; cat; exit 4`, { askMs: PATIENCE_MS }, { kind: 'failed', code: 4 }],
      [
        `trap 'exit 0' TERM; ${READY}; while :; do sleep 0.05; done`,
        { termMs: PATIENCE_MS },
        { kind: 'killed', code: 0, signal: 'SIGTERM' },
      ],
      [`${READY}; exec sleep 60`, { termMs: PATIENCE_MS }, { kind: 'killed', code: null, signal: 'SIGTERM' }],
      [`trap '' TERM; ${READY}; while :; do sleep 0.05; done`, {}, { kind: 'killed', code: null, signal: 'SIGKILL' }],
    ];
    for (const [script, limits, expected] of asked) expect(await (await readyOf(script, { limits })).end('ask')).toMatchObject(expected);
  });

  it('when asked while the clock is set back, again and again', async () => {
    const agent = await readyOf(`trap '' TERM; ${READY}; while :; do sleep 0.05; done`);
    const real = Date.now;
    let steps = 0;
    vi.spyOn(Date, 'now').mockImplementation(() => real() - 3_600_000 * steps++);
    onTestFinished(() => void vi.restoreAllMocks());
    expect(await agent.end('ask')).toMatchObject({ kind: 'killed', signal: 'SIGKILL' });
  });
});

describe('starts', () => {
  const file = (name: string, text: string, mode: number): string => {
    const target = path.join(directory, name);
    writeFileSync(target, text);
    chmodSync(target, mode);
    return target;
  };
  it('that fail say why and what to do', async () => {
    const cases: [string, string][] = [
      ['/no/such/agent', 'no such program'],
      ['no-such-agent-in-path', 'no such program'],
      [file('plain', 'text', 0o644), 'not executable'],
      [file('orphaned', '#!/no/such/interpreter\n', 0o755), 'interpreter'],
      [directory, 'not executable'],
    ];
    for (const [command, words] of cases)
      await expect(launch(command)).rejects.toMatchObject({
        code: 'agent_start_failed',
        message: expect.stringContaining(words) as string,
      });
    await expect(launch('true', ['a\0b'])).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(launch('true', ['x'.repeat(3_000_000)])).rejects.toMatchObject({ code: 'agent_start_failed' });
  });

  it('in a directory that is gone, or is none', async () => {
    await expect(launch('true', [], { cwd: path.join(directory, 'gone') })).rejects.toMatchObject({
      code: 'cwd_missing',
      data: { cwd: path.join(directory, 'gone') },
    });
    await expect(launch('true', [], { cwd: file('no-directory', '', 0o644) })).rejects.toMatchObject({ code: 'cwd_missing' });
  });

  it('with the environment that was asked for', async () => {
    const print = `printf '{"jsonrpc":"2.0","method":"%s"}\\n' "$INHERITED/$AGENT/$SESSION"; cat`;
    process.env['INHERITED'] = 'i';
    const agents = { agent: { command: '/bin/sh', args: ['-c', print], env: { AGENT: 'a', SESSION: 'overridden' } } };
    expect(await next(await launch('', [], { agents, env: { SESSION: 's' } }))).toMatchObject({ method: 'i/a/s' });
    expect(await next(await launch('', [], { agents, inheritEnv: false }))).toMatchObject({ method: '/a/overridden' });
    delete process.env['INHERITED'];
  });

  it('of agents that a function finds', async () => {
    const agents = (name: string): { command: string } | undefined => (name === 'agent' ? { command: 'cat' } : undefined);
    await (await launch('', [], { agents })).end('kill');
    await expect(
      stdioLauncher({ agents }).launch({ agent: 'toString', cwd: directory, sessionId: 's' }, { signal: new AbortController().signal }),
    ).rejects.toMatchObject({ code: 'agent_not_found' });
    await expect(
      stdioLauncher({ agents: {} }).launch({ agent: 'toString', cwd: directory, sessionId: 's' }, { signal: new AbortController().signal }),
    ).rejects.toMatchObject({ code: 'agent_not_found' });
  });
});

describe('messages', () => {
  it('are found behind whatever comes before the first', async () => {
    const agent = await sh(
      `printf '\\357\\273\\277\\033]0;title\\007\\000Welcome to it! {"jsonrpc":"2.0","id":1,"result":{}}\\n\\033[1m{"jsonrpc":"2.0","method":"m"}\\033[0m\\r\\n'; cat`,
    );
    expect(await next(agent)).toEqual({ jsonrpc: '2.0', id: 1, result: {} });
    expect(await next(agent)).toEqual({ jsonrpc: '2.0', method: 'm' });
    expect(agent.diagnostics()).toContain('Welcome to it!');
  });

  it('with a byte that is not UTF-8 are read all the same, and diagnostics say so', async () => {
    const agent = await sh(
      `printf 'Bienvenue \\340 bord {"jsonrpc":"2.0","id":1,"result":"\\351t\\351"}\\n{"jsonrpc":"2.0","id":2,"result":"\\377"}\\n'; cat`,
    );
    expect(await next(agent)).toEqual({ jsonrpc: '2.0', id: 1, result: '\ufffdt\ufffd' });
    expect(await next(agent)).toEqual({ jsonrpc: '2.0', id: 2, result: '\ufffd' });
    expect(agent.diagnostics()).toMatch(/^\[the agent wrote bytes that are not UTF-8; they were read as U\+FFFD\]\nBienvenue \ufffd bord/);
  });

  it('an answer carries the id of its request as it was written', async () => {
    const agent = await sh(
      `echo '{"jsonrpc":"2.0","id":9007199254740993,"method":"m"}'; read -r line; case "$line" in *'"id":9007199254740993,'*) echo '{"jsonrpc":"2.0","method":"same"}';; *) printf '{"jsonrpc":"2.0","method":"other","params":["%s"]}\n' "$(echo "$line" | tr -d '"')";; esac; cat`,
    );
    const { id } = (await next(agent)) as { id: string };
    const writer = agent.stream.writable.getWriter();
    await writer.write({ jsonrpc: '2.0', id, result: {} });
    expect(await next(agent)).toEqual({ jsonrpc: '2.0', method: 'same' });
  });
});

describe('I10: bounds', () => {
  it('a line without end fails by the limit’s name', async () => {
    const agent = await sh('head -c 2000000 /dev/zero | tr "\\0" x; cat', { limits: { messageBytes: 1_000_000 } });
    await expect(next(agent)).rejects.toMatchObject({ code: 'limit_exceeded', data: { limit: 'messageBytes' } });
  });

  it('a message that is too large is not sent', async () => {
    const agent = await launch('cat', [], { limits: { messageBytes: 1_000 } });
    const writer = agent.stream.writable.getWriter();
    await expect(writer.write({ jsonrpc: '2.0', method: 'm', params: { text: 'x'.repeat(2_000) } })).rejects.toMatchObject({
      code: 'limit_exceeded',
    });
  });

  it('diagnostics keep the end', async () => {
    const agent = await sh('i=0; while [ $i -lt 2000 ]; do echo "line $i" >&2; i=$((i+1)); done', {
      limits: { stderrBytes: 1_000, exitStderrBytes: 100 },
    });
    const exit = await agent.exited;
    expect(agent.diagnostics()).toMatch(/^line \d+\n[\s\S]*line 1999$/);
    expect(agent.diagnostics().length).toBeLessThanOrEqual(1_000);
    expect(exit.stderr).toMatch(/line 1999$/);
    expect(exit.stderr!.length).toBeLessThanOrEqual(100);
  });

  it.skipIf(process.platform !== 'linux')('an agent that nobody reads is stopped, at constant memory', async () => {
    const line = JSON.stringify({ jsonrpc: '2.0', method: 'm', params: 'x'.repeat(1_000) });
    const agent = await sh(`yes '${line}'`);
    const memory = (): number => held().heap + held().external;
    await next(agent);
    const before = memory();
    // It has been stopped when it writes no more.
    expect(await still(writtenByAgents)).toBeGreaterThan(0);
    expect(memory() - before).toBeLessThan(8 * 1024 * 1024);
    await agent.end('kill');
  });

  it.skipIf(process.platform !== 'linux')('an agent whose large messages nobody reads is stopped by their bytes', async () => {
    const agent = await sh(
      `x=$(head -c 100000 /dev/zero | tr '\\0' x); while :; do printf '{"jsonrpc":"2.0","method":"m","params":"%s"}\n' "$x"; done`,
    );
    await next(agent);
    // Far fewer than queuedMessages: 256 of these would be 25 MB.
    expect(await still(writtenByAgents)).toBeLessThan(12_000_000);
    await agent.end('kill');
  });

  it('an agent that does not read holds its writer', async () => {
    const agent = await sh('sleep 60');
    const writer = agent.stream.writable.getWriter();
    let written = 0;
    const writing = (async () => {
      for (; written < 1_000; written += 1) await writer.write({ jsonrpc: '2.0', method: 'm', params: 'x'.repeat(10_000) });
    })();
    const failed = expect(writing).rejects.toMatchObject({ code: 'agent_exited' });
    expect(await still(() => written)).toBeGreaterThan(0);
    expect(written).toBeLessThan(200);
    // Its death ends the wait.
    await agent.end('kill');
    await failed;
  });
});
