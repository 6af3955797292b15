/**
 * The last life: whether the agent ends by itself when its input closes, and what it leaves behind. The
 * stdio launcher would clear that away at once, so here the process is started and watched by hand.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { readFileSync } from 'node:fs';
import { createPeer } from '../../engine/protocol/peer.ts';
import { within } from '../../engine/protocol/link.ts';
import type { ProcessEntry } from '../../adapters/node-host/process-entry.ts';
import { STDIO_LIMITS } from '../../adapters/stdio/limits.ts';
import { guard } from '../../adapters/stdio/guard.ts';
import { messageStream } from '../../adapters/stdio/message-stream.ts';
import { MARK } from '../../adapters/stdio/process-table.ts';
import { ProcessTree } from '../../adapters/stdio/tree.ts';
import { answerAgent, INITIALIZE } from './agent.ts';
import type { Examination } from './examination.ts';
import { count, quote } from '../format.ts';

/** How long an agent may take to end after its input closed before that counts as staying. */
const EXIT_MS = 5_000;
/** How long its children may take to follow it. */
const FOLLOW_MS = 3_000;

export interface AgentCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

export async function lastLife(examination: Examination, agent: AgentCommand): Promise<void> {
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
    // Remembered while the tree is whole: a child that leaves its group later cannot hide.
    // The end of its output comes before the news of its exit.
    if ((await within(exited, 100)) !== undefined) {
      for (const id of ['clean-exit', 'no-orphans'] as const) examination.findings.skip(id, 'It died before its input was closed.');
      return;
    }
    const before = process.platform === 'win32' ? [] : await tree.survivors();
    child.stdin.end();
    const began = performance.now();
    const end = await within(exited, EXIT_MS);
    reportExit(examination, end, performance.now() - began);
    await reportOrphans(examination, tree, end !== undefined, before.length);
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

function reportExit({ findings }: Examination, end: { code: number | null; signal: string | null } | undefined, ms: number): void {
  if (end === undefined)
    findings.fail('clean-exit', `It was still running ${EXIT_MS / 1000} s after its input had closed; a client has to kill it.`, ms);
  else if (end.code === 0) findings.pass('clean-exit', 'It exited with code 0 when its input closed.', ms);
  else
    findings.fail(
      'clean-exit',
      `When its input closed it ${end.signal ? `died of ${end.signal}` : `exited with code ${end.code}`}, which a client must take for a crash.`,
      ms,
    );
}

async function reportOrphans({ findings }: Examination, tree: ProcessTree, ended: boolean, before: number): Promise<void> {
  if (process.platform === 'win32') return findings.skip('no-orphans', 'Not examined on Windows.');
  if (!ended) return findings.skip('no-orphans', 'It did not end by itself, so nothing can be said of what it would leave.');
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
