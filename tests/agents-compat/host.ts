/**
 * What becomes of a real agent's session in our host: killed between turns and in one, its store lost, and woken once more after that. The
 * doctor examines the agent; this examines what a user of ours gets.
 */
import { mkdir, mkdtemp, readFile, readdir, realpath, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { openNodeSqlite } from '../../src/adapters/node-sqlite/index.ts';
import { stdioLauncher } from '../../src/adapters/stdio/index.ts';
import {
  createHost,
  foldEvents,
  type AgentLauncher,
  type AgentProcess,
  type Host,
  type HostOptions,
  type ResumeReport,
} from '../../src/engine/index.ts';
import type { CompatAgent } from './agents.ts';
import type { MemoryModel } from './model.ts';

/** What one prompt came to. */
export interface HostStep {
  readonly step: string;
  /** What the person was answered, or the error's code. */
  readonly answer: string;
  readonly knows: boolean;
  readonly report: Pick<ResumeReport, 'tier' | 'attempts' | 'verified' | 'replay' | 'preamble'> | null;
}

/** One message between our host and the agent, seen from the host. */
export interface Frame {
  readonly dir: 'send' | 'receive';
  readonly frame: Readonly<Record<string, unknown>>;
}

export interface HostFindings {
  readonly steps: readonly HostStep[];
  /** All that each process of the agent was sent and said, for tests without the agent. */
  readonly lives: readonly (readonly Frame[])[];
  /** Whether the model was told the record after the store was lost. */
  readonly preambleReachedModel: boolean;
  /** Processes that still carried the agent's home in their environment when the host slept. */
  readonly leftovers: number;
}

/** As long as a busy machine may take for a file. */
const WRITTEN_MS = 3_000;

const FACT = 'The codeword is heron-4711. Reply OK.';
const QUESTION = 'What is the codeword? Reply with it alone.';

export async function examineHost(
  agent: CompatAgent,
  env: (home: string) => Promise<Record<string, string>>,
  model: MemoryModel,
  protocol: HostOptions['protocol'],
): Promise<HostFindings> {
  const scratch = await realpath(await mkdtemp(path.join(os.tmpdir(), 'rehydrate-compat-host-')));
  const cwd = path.join(scratch, 'project');
  const file = path.join(scratch, 'sessions.sqlite');
  let home = path.join(scratch, 'home-1');
  await mkdir(cwd);
  await mkdir(home);
  const running = new Set<AgentProcess>();
  const lives: Frame[][] = [];
  const launcher = (values: Record<string, string>): AgentLauncher => {
    const stdio = stdioLauncher({ agents: { agent: { command: agent.command, args: agent.args, env: values } }, inheritEnv: false });
    return {
      async launch(spec, options) {
        const process = await stdio.launch(spec, options);
        running.add(process);
        void process.exited.then(() => running.delete(process));
        const frames: Frame[] = [];
        lives.push(frames);
        return { ...process, stream: tapped(process.stream, frames) };
      },
    };
  };
  const wake = async (): Promise<Host> =>
    createHost({ database: await openNodeSqlite(file), agents: launcher(await env(home)), permission: 'reject', protocol });
  const steps: HostStep[] = [];
  const say = async (host: Host, step: string, text: string, sessionId: string): Promise<void> => {
    const after = (await host.history(sessionId)).at(-1)?.seq ?? 0;
    try {
      const { report } = await host.prompt(sessionId, text);
      const events = await host.history(sessionId, { after });
      const answer = foldEvents(events)
        .messages.filter(({ role }) => role === 'agent')
        .map(({ text: words }) => words)
        .join('');
      const { tier, attempts, verified, replay, preamble } = report;
      steps.push({ step, answer, knows: answer.includes('heron-4711'), report: { tier, attempts, verified, replay, preamble } });
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      steps.push({ step, answer: `${code ?? 'error'}: ${message}`, knows: false, report: null });
    }
  };
  const killAll = () => Promise.all([...running].map((process) => process.end('kill')));

  try {
    let host = await wake();
    const { sessionId } = await host.create({ agent: 'agent', cwd });
    await say(host, 'told', FACT, sessionId);
    // Some write down what was said a moment after they have answered.
    await new Promise((resolve) => setTimeout(resolve, WRITTEN_MS));
    await killAll();
    await say(host, 'killed between turns', QUESTION, sessionId);
    model.hold();
    const cut = say(host, 'killed in a turn', 'Think about herons.', sessionId);
    await model.held();
    await killAll();
    await cut;
    model.release();
    await say(host, 'after the killed turn', QUESTION, sessionId);
    await host.sleep();

    // Its store is lost: a home that was never used.
    home = path.join(scratch, 'home-2');
    await mkdir(home);
    host = await wake();
    const requests = model.requests().length;
    await say(host, 'store lost', QUESTION, sessionId);
    const preambleReachedModel = model
      .requests()
      .slice(requests)
      .some((request) => request.includes('heron-4711'));
    await host.sleep();
    host = await wake();
    await say(host, 'woken after the fallback', QUESTION, sessionId);
    await host.sleep();
    return { steps, lives, preambleReachedModel, leftovers: await processesOf(scratch) };
  } finally {
    await killAll();
    await rm(scratch, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A stream whose messages are written down as they pass. */
function tapped({ readable, writable }: AgentProcess['stream'], frames: Frame[]): AgentProcess['stream'] {
  const tap = (dir: Frame['dir']) =>
    new TransformStream({
      transform(message, controller) {
        frames.push({ dir, frame: message as Frame['frame'] });
        controller.enqueue(message);
      },
    });
  const sent = tap('send');
  sent.readable.pipeTo(writable).catch(() => undefined); // the agent ended
  return { readable: readable.pipeThrough(tap('receive')), writable: sent.writable };
}

/** Linux: the processes whose environment names the folder. */
async function processesOf(folder: string): Promise<number> {
  let count = 0;
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const environ = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (environ.includes(folder)) count += 1;
  }
  return count;
}
