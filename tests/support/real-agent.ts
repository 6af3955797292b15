/**
 * A real agent from the npm registry through our host, with a scripted model: made, prompted, asked for permission, killed, resumed, its
 * store lost; begun in one version of ACP and gone on with in the other. Each agent's folder gives its program and the model server's package.
 */
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openNodeSqlite } from '../../src/adapters/node-sqlite/index.ts';
import { stdioLauncher } from '../../src/adapters/stdio/index.ts';
import {
  createHost,
  foldEvents,
  type AgentProcess,
  type Host,
  type HostOptions,
  type PermissionRequested,
} from '../../src/engine/index.ts';
import { expectV2 } from './v2-schema.ts';

export interface ModelRequest {
  readonly messages: readonly { readonly role: string; readonly content: unknown }[];
  readonly tools?: readonly { readonly function?: { readonly name?: string } }[];
}

export type ModelAnswer =
  { readonly content: string } | { readonly toolCalls: readonly { readonly name: string; readonly arguments: string }[] };

/** As much of `LLMock` of `@copilotkit/aimock` as is used here. */
export interface ModelServer {
  readonly url: string;
  on(match: { readonly predicate: () => boolean }, answer: (request: ModelRequest) => ModelAnswer): unknown;
  start(): Promise<unknown>;
  stop(): Promise<unknown>;
}

export interface RealAgent {
  readonly name: string;
  readonly command: string;
  readonly newModel: () => ModelServer;
  /** What its environment holds beside HOME; writes what it needs into its home. */
  readonly set: (home: string, url: string) => Promise<Readonly<Record<string, string>>>;
  /** A command that ends with 0 where the program can run at all. */
  readonly probe: readonly [command: string, ...args: string[]];
  /** The mode in which it asks for permission. */
  readonly mode: string;
  /** The call of one of its tools that needs a permission. */
  readonly tool: (offered: readonly string[]) => { readonly name: string; readonly arguments: string };
}

const FACT = 'The codeword is heron-4711. Reply OK.';
const QUESTION = 'What is the codeword? Reply with it alone.';
const RUN = 'Run the command now.';

const textOf = (content: unknown): string =>
  typeof content === 'string'
    ? content
    : Array.isArray(content)
      ? content.map((part) => (part as { text?: string } | null)?.text ?? '').join('\n')
      : '';

/** It knows what its context holds, and does what was asked last. */
function answerOf({ messages, tools = [] }: ModelRequest, agent: RealAgent): ModelAnswer {
  const all = messages.map(({ content }) => textOf(content)).join('\n');
  const asked = [...all.matchAll(/What is the codeword\?|Run the command now\.|Reply OK/g)].at(-1)?.[0];
  if (asked?.startsWith('What')) return { content: /codeword is (heron-\d+)/.exec(all)?.[1] ?? 'I do not know.' };
  const isDone =
    messages.findLastIndex(({ role }) => role === 'tool') > messages.findLastIndex(({ content }) => textOf(content).includes(RUN));
  if (asked?.startsWith('Run') && !isDone) return { toolCalls: [agent.tool(tools.flatMap((tool) => tool.function?.name ?? []))] };
  return { content: 'OK' };
}

async function world(agent: RealAgent) {
  const scratch = await realpath(await mkdtemp(path.join(os.tmpdir(), 'rehydrate-real-')));
  const cwd = path.join(scratch, 'project');
  await mkdir(cwd);
  const model = agent.newModel();
  const requests: ModelRequest[] = [];
  model.on({ predicate: () => true }, (request) => {
    requests.push(request);
    return answerOf(request, agent);
  });
  await model.start();
  let homes = 0;
  let home = '';
  const newHome = () => mkdir((home = path.join(scratch, `home-${(homes += 1)}`)));
  await newHome();
  const running = new Set<AgentProcess>();
  /** What was said in v2. */
  const frames: { readonly method?: string; readonly params?: unknown }[] = [];
  const hosts: Host[] = [];
  onTestFinished(async () => {
    for (const host of hosts) await host.sleep();
    await model.stop();
    await rm(scratch, { recursive: true, force: true, maxRetries: 5 });
  });
  return {
    cwd,
    requests,
    frames,
    /** A home that was never used. */
    loseStore: newHome,
    killAll: () => Promise.all([...running].map((process) => process.end('kill'))),
    async wake(protocol: HostOptions['protocol']): Promise<Host> {
      const env = {
        PATH: `${path.dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
        HOME: home,
        ...(await agent.set(home, model.url)),
      };
      const stdio = stdioLauncher({ agents: { agent: { command: agent.command, args: [], env } }, inheritEnv: false });
      const host = await createHost({
        database: await openNodeSqlite(path.join(scratch, 'sessions.sqlite')),
        protocol,
        permission: 'allow',
        agents: {
          async launch(spec, options) {
            const launched = await stdio.launch(spec, options);
            running.add(launched);
            void launched.exited.then(() => running.delete(launched));
            const heard = new TransformStream({
              transform(frame, controller) {
                if (protocol === 'v2') frames.push(frame);
                controller.enqueue(frame);
              },
            });
            return { ...launched, stream: { writable: launched.stream.writable, readable: launched.stream.readable.pipeThrough(heard) } };
          },
        },
      });
      hosts.push(host);
      return host;
    },
  };
}

async function ask(host: Host, sessionId: string, text: string) {
  const { turnId, report, stopReason } = await host.prompt(sessionId, text);
  const events = (await host.history(sessionId)).filter((event) => event.turnId === turnId);
  const view = foldEvents(events);
  const answer = view.messages
    .filter(({ role }) => role === 'agent')
    .map(({ text: words }) => words)
    .join('');
  return { report, stopReason, answer, events, view };
}

/** Why the program cannot run on this machine; null when it can. */
function whyNot({ probe: [command, ...args] }: RealAgent): string | null {
  const { status, signal, error, stderr } = spawnSync(command, args, {
    input: '',
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, HOME: os.tmpdir() },
  });
  if (status === 0) return null;
  return error?.message ?? `${path.basename(command)} ended with ${signal ?? status}: ${stderr.trim().split('\n').at(-1) ?? ''}`;
}

export function realAgentTests(agent: RealAgent): void {
  const why = whyNot(agent);
  describe.skipIf(why !== null).each([
    ['v1', 'v2'],
    ['v2', 'v1'],
  ] as const)(`${agent.name}, begun in %s and gone on with in %s${why === null ? '' : ` (skipped: ${why})`}`, (first, second) => {
    test('I3, I4, I6: prompted, a tool call permitted, killed, resumed, its store lost: it knows what it was told', async () => {
      const { cwd, frames, wake, killAll, loseStore } = await world(agent);
      let host = await wake(first);
      const { sessionId } = await host.create({ agent: 'agent', cwd });
      expect((await host.describeAgent('agent')).protocolVersion).toBe(first === 'v1' ? 1 : 2);
      expect(await ask(host, sessionId, FACT)).toMatchObject({ stopReason: 'end_turn', answer: expect.stringContaining('OK') as string });

      await host.setMode(sessionId, agent.mode);
      const tool = await ask(host, sessionId, RUN);
      expect(tool.stopReason).toBe('end_turn');
      const asked = tool.events.find(({ kind }) => kind === 'permission_requested');
      expect((asked?.payload as PermissionRequested | undefined)?.toolCall.toolCallId, JSON.stringify(tool.events, null, 1)).toBeTruthy();
      expect(tool.view.toolCalls).toMatchObject([{ status: 'completed' }]);
      // In v2 what ran in a terminal of the agent's own is in the call that ran it.
      expect(tool.view.toolCalls[0]!.terminal !== undefined, 'a terminal').toBe(first === 'v2');

      await killAll();
      const back = await ask(host, sessionId, QUESTION);
      expect(back).toMatchObject({ report: { tier: 'resume' }, answer: expect.stringContaining('heron-4711') as string });
      await host.sleep();

      host = await wake(second);
      const before = (await host.get(sessionId)).latestSeq;
      const other = await ask(host, sessionId, QUESTION);
      expect(other, JSON.stringify(other.report, null, 1)).toMatchObject({
        report: { tier: 'resume', settings: { failed: [] } },
        answer: expect.stringContaining('heron-4711') as string,
      });
      const { messages } = foldEvents(await host.history(sessionId, { after: before }));
      expect(
        messages.filter(({ role }) => role === 'user'),
        'nothing of a replay is stored',
      ).toHaveLength(1);
      await host.sleep();

      await loseStore();
      host = await wake(second);
      const lost = await ask(host, sessionId, QUESTION);
      expect(lost, JSON.stringify(lost.report, null, 1)).toMatchObject({
        report: { tier: 'transcript' },
        answer: expect.stringContaining('heron-4711') as string,
      });
      await host.sleep();
      host = await wake(second);
      expect(await ask(host, sessionId, QUESTION)).toMatchObject({
        report: { tier: 'resume' },
        answer: expect.stringContaining('heron-4711') as string,
      });
      expectV2(frames);
    });
  });
}
