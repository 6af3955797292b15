/** What an agent may run on the host's machine: ACP's `terminal/*`. */
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { CLIENT_LIMITS, nodeClientServices } from '../../../src/adapters/stdio/index.ts';
import { guard } from '../../../src/adapters/stdio/guard.ts';
import { messageLine } from '../../../src/adapters/stdio/lines.ts';
import { carriesMark, readProcesses } from '../../../src/adapters/stdio/process-table.ts';
import { DEFAULT_LIMITS } from '../../../src/engine/index.ts';
import { ask, at, clientWorld } from './client-world.ts';

clientWorld();

describe.skipIf(process.platform === 'win32')('terminals', () => {
  const create = async (command: string, args: string[] = [], more: object = {}, sessionId = 's'): Promise<string> =>
    (await ask('terminal/create', { command, args, ...more }, sessionId))['terminalId'] as string;
  const sh = (script: string, more: object = {}): Promise<string> => create('sh', ['-c', script], more);
  const wait = (terminalId: string): Promise<Record<string, unknown>> => ask('terminal/wait_for_exit', { terminalId });
  const output = (terminalId: string): Promise<Record<string, unknown>> => ask('terminal/output', { terminalId });
  const alive = async (): Promise<number> =>
    (await readProcesses()).filter((entry) => !entry.zombie && carriesMark(entry.pid, guard.mark)).length;

  const ready = (terminalId: string): Promise<void> => expect.poll(async () => (await output(terminalId))['output']).toBe('ready\n');

  it('run a command and give its output and exit', async () => {
    const id = await sh('echo out; echo err >&2; pwd; echo $X; exit 3', { env: [{ name: 'X', value: 'é' }] });
    expect(await wait(id)).toEqual({ exitCode: 3, signal: null });
    const all = await output(id);
    expect(all).toMatchObject({ truncated: false, exitStatus: { exitCode: 3, signal: null } });
    expect(String(all['output']).split('\n').sort()).toEqual(['', 'err', 'out', at.root, 'é'].sort());
  });

  it('take a whole command line', async () => {
    const id = await create('echo a && echo b | tr b c');
    expect(await wait(id)).toEqual({ exitCode: 0, signal: null });
    expect(await output(id)).toMatchObject({ output: 'a\nc\n' });
  });

  it('take a whole command line longer than a file’s name or path may be', async () => {
    for (const words of [60, 2_000]) {
      const id = await create(`echo ${'a/b '.repeat(words)}`);
      expect(await wait(id)).toEqual({ exitCode: 0, signal: null });
      expect(
        String((await output(id))['output'])
          .trim()
          .split(' '),
      ).toHaveLength(words);
    }
    await expect(create('x'.repeat(5_000))).rejects.toMatchObject({
      code: -32603,
      message: expect.stringContaining('longer than the system allows') as string,
    });
  });

  it('keep the end of the output, cut at a character', async () => {
    const id = await sh('for i in 1 2 3 4 5 6 7 8 9; do printf é; done', { outputByteLimit: 5 });
    await wait(id);
    expect(await output(id)).toMatchObject({ output: 'éé', truncated: true });
    await expect(sh('true', { outputByteLimit: 2 ** 40 })).rejects.toMatchObject({ data: { limit: 'outputMaxBytes' } });
  });

  it.each([
    ['NULs', 'head -c 8388608 /dev/zero; printf "e\\n🦊"', 'e\n🦊'],
    ['bytes that are no text', 'head -c 16777210 /dev/zero | tr "\\000" "\\377"; printf end', 'end'],
  ])('I10: fit into a message, whatever they print: %s', async (_name, script, end) => {
    at.services = nodeClientServices();
    const id = await sh(script, { outputByteLimit: CLIENT_LIMITS.outputMaxBytes });
    await wait(id);
    const answer = await output(id);
    expect(answer['truncated']).toBe(true);
    expect(String(answer['output']).endsWith(end)).toBe(true);
    expect(Buffer.byteLength(messageLine(answer))).toBeLessThan(DEFAULT_LIMITS.messageBytes - 64 * 1024);
  });

  it('I8: a signal is told as one', async () => {
    expect(await wait(await sh('kill -SEGV $$'))).toEqual({ exitCode: null, signal: 'SIGSEGV' });
  });

  it('I8: killed before it ended is never 0, even when it answers the signal with 0', async () => {
    // It is given the time to answer.
    at.services = nodeClientServices({ limits: { termMs: 30_000 } });
    const id = await sh('trap "exit 0" TERM; echo ready; while :; do sleep 0.05; done');
    await ready(id);
    const waiting = wait(id);
    await ask('terminal/kill', { terminalId: id });
    expect(await waiting).toEqual({ exitCode: null, signal: 'SIGTERM' });
    expect(await output(id)).toMatchObject({ exitStatus: { exitCode: null, signal: 'SIGTERM' } });
  });

  it('I8: released before it ended is never 0, and its whole tree is gone', async () => {
    const id = await sh('trap "" TERM; (trap "" TERM; setsid sleep 60) & (sleep 60 &) ; echo ready; sleep 60');
    await ready(id);
    const waiting = wait(id);
    await ask('terminal/release', { terminalId: id });
    expect(await waiting).toEqual({ exitCode: null, signal: 'SIGKILL' });
    expect(await alive()).toBe(0);
    await expect(output(id)).rejects.toMatchObject({ code: -32002 });
  });

  it('keep what runs in the background until they are released', async () => {
    const id = await sh('sleep 60 & echo started');
    expect(await wait(id)).toEqual({ exitCode: 0, signal: null });
    expect(await alive()).toBe(1);
    await ask('terminal/release', { terminalId: id });
    expect(await alive()).toBe(0);
  });

  it('I7: end with their session', async () => {
    const [mine, other] = [await sh('sleep 60'), await create('sleep', ['60'], {}, 't')];
    await at.services.release('s');
    await expect(output(mine)).rejects.toMatchObject({ code: -32002 });
    expect(await ask('terminal/output', { terminalId: other }, 't')).toMatchObject({ truncated: false });
    expect(await alive()).toBe(1);
    await at.services.release('t');
    expect(await alive()).toBe(0);
  });

  it('are their session’s alone', async () => {
    const id = await sh('sleep 60');
    await expect(ask('terminal/output', { terminalId: id }, 't')).rejects.toMatchObject({ code: -32002 });
    await expect(ask('terminal/kill', { terminalId: id }, 't')).rejects.toMatchObject({ code: -32002 });
  });

  it('say why a command could not start', async () => {
    await expect(create('/no/such/program')).rejects.toMatchObject({
      code: -32603,
      message: expect.stringContaining('/no/such/program') as string,
    });
    await expect(create('true', [], { cwd: '/no/such/directory' })).rejects.toMatchObject({ data: { cause: 'cwd_missing' } });
    await expect(create('true', [], { cwd: 'relative' })).rejects.toMatchObject({ code: -32602 });
    await expect(ask('terminal/create', { command: 'true', args: [1] })).rejects.toMatchObject({ code: -32602 });
    await expect(ask('terminal/create', { command: 'true', env: [{ name: 1 }] })).rejects.toMatchObject({ code: -32602 });
  });

  it('say it of the command: the agent runs', async () => {
    const refusals = [
      create('no-such-program'),
      create('true', [], { cwd: '/no/such/directory' }),
      create('no such program', [], { cwd: path.join(at.outside, 'secret') }),
    ];
    for (const refusal of refusals) {
      const { message } = await refusal.then(
        () => expect.unreachable(),
        (error: Error) => error,
      );
      expect(message).toMatch(/the command 'no|the command 'true'/i);
      expect(message).not.toContain('agent');
    }
  });

  it.each([
    ['command', { command: 'echo a\0b' }],
    ['args', { command: 'echo', args: ['a', 'hunter2\0'] }],
    ['cwd', { command: 'echo', cwd: '/tmp\0' }],
    ['env', { command: 'echo', env: [{ name: 'K', value: 'hunter2\0' }] }],
    ['env', { command: 'echo', env: [{ name: 'K\0', value: 'v' }] }],
  ])('refuse a NUL in %s, without quoting it', async (name, params) => {
    await expect(ask('terminal/create', params)).rejects.toMatchObject({ code: -32602, message: `Invalid params: ${name} holds a NUL.` });
  });

  it('refuse an empty command', async () => {
    await expect(ask('terminal/create', { command: '' })).rejects.toMatchObject({
      code: -32602,
      message: 'Invalid params: command is empty.',
    });
  });

  it('I10: no more than the limit', async () => {
    at.services = nodeClientServices({ limits: { terminals: 2, termMs: 300 } });
    const many = await Promise.allSettled([1, 2, 3, 4].map(() => create('sleep', ['60'])));
    expect(many.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    expect(many.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { data: { limit: 'terminals' } } });
  });

  it('stop waiting when the agent is gone', async () => {
    const controller = new AbortController();
    const id = await sh('sleep 60');
    const waiting = ask('terminal/wait_for_exit', { terminalId: id }, 's', controller.signal);
    controller.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
  });
});
