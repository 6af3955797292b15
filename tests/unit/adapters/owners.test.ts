import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import type { LeaseOwner } from '../../../src/engine/ports.ts';
import { type ProcessSighting, livenessByIdentity, livenessBySighting, processOwners } from '../../../src/adapters/node-host/owners.ts';

const self = { kind: 'process', pid: 10, startTime: '500', bootId: 'b1', machine: 'm1', pidNamespace: 'n1', thread: 0 };
const other: LeaseOwner = { ...self, hostId: 'h', pid: 20, startTime: '900' };

describe('I9: whether a lease’s owner can be judged without looking at it', () => {
  it.each<[string, Partial<LeaseOwner>, boolean | 'unknown' | 'look']>([
    ['same boot, same namespace', {}, 'look'],
    ['an earlier boot of this machine', { bootId: 'b0' }, false],
    ['another machine', { bootId: 'b0', machine: 'm2' }, 'unknown'],
    ['another boot, machine not recorded', { bootId: 'b0', machine: undefined }, 'unknown'],
    ['another container under the same kernel', { pidNamespace: 'n2' }, 'unknown'],
    ['namespace not recorded', { pidNamespace: undefined }, 'unknown'],
    ['no boot id, same machine', { bootId: undefined }, 'look'],
    ['no boot id, another machine', { bootId: undefined, machine: 'm2' }, 'unknown'],
    ['no pid', { pid: undefined }, 'unknown'],
    ['a browser tab', { kind: 'tab', lock: 'x' }, 'unknown'],
  ])('%s', (_, change, verdict) => {
    expect(livenessByIdentity({ ...other, ...change }, self)).toBe(verdict);
  });
});

describe('I9: the verdict about a process that was looked for', () => {
  const mine: LeaseOwner = { ...self, hostId: 'mine' };
  const running = (startTime: string): ProcessSighting => ({ startTime, zombie: false });
  it.each<[string, LeaseOwner, ProcessSighting, boolean | 'unknown']>([
    ['gone', other, 'gone', false],
    ['a zombie', other, { startTime: '900', zombie: true }, false],
    ['running since then', other, running('900'), true],
    ['its pid was given to another process', other, running('901'), false],
    ['hidden from us', other, 'hidden', 'unknown'],
    ['start time not recorded', { ...other, startTime: undefined }, running('900'), 'unknown'],
    ['a host open in this process', mine, running('500'), true],
    ['a host that was closed in this process', { ...mine, hostId: 'closed' }, running('500'), false],
    ['an earlier process with our pid', { ...mine, startTime: '400' }, running('500'), false],
    ['a host in another thread of this process', { ...mine, thread: 3 }, running('500'), 'unknown'],
  ])('%s', (_, owner, sighting, verdict) => {
    expect(livenessBySighting(owner, self, sighting, new Set(['mine']))).toBe(verdict);
  });
});

describe('I9: real processes', () => {
  const owners = processOwners();
  const url = new URL('../../../src/adapters/node-host/owners.ts', import.meta.url).href;
  const program = `const { processOwners } = await import(${JSON.stringify(url)}); console.log(JSON.stringify(processOwners().self)); setInterval(() => {}, 1e9);`;

  async function start(): Promise<{ child: ChildProcess; owner: LeaseOwner }> {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout!, 'data')) as [Buffer];
    return { child, owner: { hostId: 'theirs', ...(JSON.parse(line.toString()) as Omit<LeaseOwner, 'hostId'>) } };
  }

  it('is true while the owner runs, false when its pid belongs to another, false after kill -9', async () => {
    const { child, owner } = await start();
    try {
      expect(await owners.alive(owner)).toBe(true);
      expect(await owners.alive({ ...owner, startTime: '1' })).toBe(false);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    expect(await owners.alive(owner)).toBe(false);
  });

  it.runIf(process.platform === 'linux')('counts a zombie as dead', async () => {
    // The shell becomes `sleep`, which never waits for the child it had; that ends when we close its input.
    const shell = spawn('sh', ['-c', 'cat <&3 >/dev/null & echo $!; exec sleep 1000'], { stdio: ['ignore', 'pipe', 'inherit', 'pipe'] });
    try {
      const [line] = (await once(shell.stdout!, 'data')) as [Buffer];
      const pid = Number(line.toString());
      await expect.poll(() => readFileSync(`/proc/${shell.pid}/comm`, 'utf8')).toBe('sleep\n');
      (shell.stdio[3] as Socket).destroy();
      const stat = (): string[] => readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
      await expect.poll(() => stat()[0]).toBe('Z');
      expect(await owners.alive({ ...owners.self, hostId: 'z', pid, startTime: stat()[19]! })).toBe(false);
    } finally {
      shell.kill('SIGKILL');
      await once(shell, 'exit');
    }
  });

  it('tells open from closed hosts of its own process, whichever registry they were told to', async () => {
    const owner = { ...owners.self, hostId: 'here' };
    processOwners().opened('here');
    expect(await owners.alive(owner)).toBe(true);
    owners.closed('here');
    expect(await processOwners().alive(owner)).toBe(false);
  });

  it('does not call a host of another thread dead', async () => {
    const worker = new Worker(
      `import(${JSON.stringify(url)}).then(({ processOwners }) => require('node:worker_threads').parentPort.postMessage(processOwners().self)); setInterval(() => {}, 1e9);`,
      { eval: true },
    );
    try {
      const [identity] = (await once(worker, 'message')) as [Omit<LeaseOwner, 'hostId'>];
      expect(identity.pid).toBe(process.pid);
      expect(await owners.alive({ hostId: 'theirs', ...identity })).toBe('unknown');
    } finally {
      await worker.terminate();
    }
  });

  it('never throws for nonsense', async () => {
    for (const pid of [-1, 0, 1.5, Number.NaN, 2 ** 40]) {
      expect([false, 'unknown']).toContain(await owners.alive({ ...owners.self, hostId: 'x', pid }));
    }
  });
});
