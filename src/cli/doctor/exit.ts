/**
 * The exit checks: whether the agent ends by itself when its input closes, and what it leaves behind. The stdio launcher
 * would clear that away at once, so here the process is started and watched by hand.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { readFileSync } from 'node:fs';
import { createPeer } from '../../engine/protocol/json-rpc.ts';
import { within } from '../../engine/protocol/connection.ts';
import { STDIO_LIMITS } from '../../adapters/stdio/limits.ts';
import { guard } from '../../adapters/stdio/guard.ts';
import { messageStream } from '../../adapters/stdio/launcher.ts';
import { MARK, type ProcessEntry } from '../../adapters/stdio/process-table.ts';
import { ProcessTree } from '../../adapters/stdio/tree.ts';
import { count, quote, seconds } from '../format.ts';
import { answerAgent, INITIALIZE, type Examination } from './agent.ts';

/** How long what an agent started may take to follow it. */
const FOLLOW_MS = 3_000;

export interface AgentCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** How the agent ended: what it was told, and what became of it. */
interface End {
  readonly told: 'input closed' | 'SIGTERM' | 'SIGKILL';
  readonly code: number | null;
  readonly signal: string | null;
  readonly ms: number;
}

/** Ends the agent as a host does, with `graceMs` between the end of its input and SIGTERM. */
export async function exitChecks(examination: Examination, agent: AgentCommand, graceMs: number): Promise<void> {
  const token = guard.token();
  guard.ready();
  const child: Child = spawn(agent.command, [...agent.args], {
    cwd: examination.cwd,
    env: { ...process.env, ...agent.env, [MARK]: guard.variable(token) },
    detached: process.platform !== 'win32',
    stdio: ['pipe', 'pipe', 'pipe'],
    windowsHide: true,
  });
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', () => resolve({ code: 127, signal: null }));
  });
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => undefined);
  child.stderr.resume();
  if (child.pid === undefined) return;
  guard.add(child.pid);
  const tree = new ProcessTree(child.pid, token);
  try {
    await converse(examination, child);
    // The end of its output comes before the news of its exit.
    if ((await within(exited, 100)) !== undefined) {
      for (const id of ['clean-exit', 'no-orphans'] as const) examination.findings.skip(id, 'It died before its input was closed.');
      return;
    }
    // Remembered while the tree is whole: a child that leaves its group later cannot hide.
    const before = process.platform === 'win32' ? [] : await tree.survivors();
    const began = performance.now();
    const ended = async (told: End['told'], withinMs: number): Promise<End | undefined> => {
      const exit = await within(exited, withinMs);
      return exit && { told, ...exit, ms: performance.now() - began };
    };
    child.stdin.end();
    let end = await ended('input closed', graceMs);
    if (!end) {
      await tree.signal('SIGTERM');
      end = await ended('SIGTERM', STDIO_LIMITS.termMs);
    }
    if (!end) {
      // Itself alone: what it started must be able to show whether it follows.
      child.kill('SIGKILL');
      end = await ended('SIGKILL', STDIO_LIMITS.goneMs);
    }
    reportExit(examination, end, graceMs);
    await reportOrphans(examination, tree, before.length);
  } finally {
    await tree.signal('SIGKILL');
    await within(exited, STDIO_LIMITS.goneMs);
    guard.remove(child.pid);
  }
}

/** Gets it going: a session is where agents start helpers. Collects what it prints that is no message. */
async function converse({ cwd, timeoutMs, findings }: Examination, child: Child): Promise<void> {
  const noise: string[] = [];
  const running = {
    pid: child.pid as number,
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    exited: new Promise<never>(() => undefined),
    left: new Promise<never>(() => undefined),
    end: () => new Promise<never>(() => undefined),
    diagnostics: () => '',
    note: (line: Uint8Array) => void noise.push(Buffer.from(line).toString('utf8').trim()),
  };
  const peer = createPeer(messageStream('agent', running, STDIO_LIMITS), {
    onRequest: answerAgent,
    onNotification: () => undefined,
    room: () => Promise.resolve(),
    onNoise: (what) => void noise.push(`it ${what}`),
  });
  for (const [method, params] of [
    ['initialize', INITIALIZE],
    ['session/new', { cwd, mcpServers: [] }],
  ] as const) {
    await within(new Promise((resolve) => peer.request(method, params, resolve)), timeoutMs);
  }
  const printed = noise.filter((line) => line !== '');
  if (printed.length > 0) {
    findings.fail(
      'initialize',
      `Not all it writes on stdout is ACP; ${count(printed.length, 'time')} something else came: ${quote(printed[0] ?? '')}.`,
      0,
      { breaksProtocol: true },
    );
  }
}

function reportExit({ findings }: Examination, end: End | undefined, graceMs: number): void {
  if (end?.told === 'input closed' && end.code === 0)
    return findings.pass('clean-exit', 'It exited with code 0 when its input closed.', end.ms);
  const how = end?.signal ? `died of ${end.signal}` : `exited with code ${end?.code}`;
  const detail =
    end?.told === 'input closed'
      ? `When its input closed it ${how}, which a client must take for a crash.`
      : `It was still running ${seconds(graceMs)} after its input had closed${end?.told === 'SIGTERM' ? '; SIGTERM ended it' : ', and in spite of SIGTERM; a client has to kill it'}.`;
  findings.fail('clean-exit', detail, end?.ms);
}

async function reportOrphans({ findings }: Examination, tree: ProcessTree, before: number): Promise<void> {
  if (process.platform === 'win32') return findings.skip('no-orphans', 'Not examined on Windows.');
  let left: readonly ProcessEntry[] = await tree.survivors();
  for (const deadline = performance.now() + FOLLOW_MS; left.length > 0 && performance.now() < deadline; left = await tree.survivors()) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  if (left.length === 0) findings.pass('no-orphans', `Nothing was left of its ${count(before, 'process')}.`);
  else findings.fail('no-orphans', `It left ${count(left.length, 'process')} behind: ${left.map(nameOf).join(', ')}.`);
}

function nameOf({ pid }: ProcessEntry): string {
  if (process.platform !== 'linux') return String(pid);
  try {
    return `${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()} (${pid})`;
  } catch {
    return String(pid); // it went just now
  }
}
