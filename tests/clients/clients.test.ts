/**
 * ACP clients that others have written, in front of `rehydrate acp`: each goes on with a session whose agent died, and with one whose
 * agent cannot take up any session at all. None of them knows of us.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Readable, Writable } from 'node:stream';
import { createACPProvider } from '@mcpc-tech/acp-ai-provider';
import { ClientSideConnection, ndJsonStream, type SessionNotification } from '@zed-industries/agent-client-protocol';
import { generateText } from 'ai';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AgentVariant } from '../../src/testing/agents/index.ts';
import { BIN, build, gone, processesWith, scratch, type Scratch } from '../integration/cli/harness.ts';
import { recordSeen } from '../support/record.ts';
import { runProgram } from '../support/run-program.ts';

const ACPX = path.join(import.meta.dirname, 'node_modules/acpx/dist/cli.js');

beforeAll(build);
let at: Scratch;
beforeEach(() => {
  at = scratch();
});
let passed = 0;
afterEach(async ({ task }) => {
  if (task.result?.state === 'pass') passed += 1;
  await gone(at.directory);
  at.remove();
});

afterAll(() => {
  const versions = (createRequire(import.meta.url)('./package.json') as { dependencies: Record<string, string> }).dependencies;
  if (passed === 6)
    recordSeen('clients', {
      what: `ACP clients from npm in front of rehydrate acp: ${Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', ')}`,
      seen: 'each goes on, remembering, after kill -9 of an agent that resumes, and of one that cannot take up any session',
    });
});

const ours = (variant: AgentVariant): string[] => [
  process.execPath,
  BIN,
  'acp',
  '--db',
  at.db,
  '--agent',
  'demo',
  '--',
  ...at.agent(variant, '--pace', '0'),
];
const surroundings = () => ({ ...process.env, HOME: at.directory, XDG_STATE_HOME: path.join(at.directory, 'state') });
const agents = (): number[] =>
  processesWith(at.store)
    .filter((line) => line.includes('agents/stdio.js') && !line.includes('rehydrate.js') && !line.includes('acpx'))
    .map((line) => Number.parseInt(line, 10));
const killAgents = async () => {
  const pids = agents();
  expect(pids).toHaveLength(1);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  // Whoever started them has taken note of their end: until then the pid is theirs.
  await expect.poll(() => pids.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
};

describe('acpx, a client for the command line', () => {
  /** Its own process ends a second after it was last used, and the agent with it. */
  const acpx = async (variant: AgentVariant, ...args: string[]) => {
    // One that is about to end resets the next call's connection.
    await gone(at.store);
    const options = ['--ttl', '1', '--approve-all', '--agent', ours(variant).join(' ')];
    const done = await runProgram(process.execPath, [ACPX, ...options, ...args], {
      cwd: at.directory,
      env: { ...surroundings(), CI: '1' },
    });
    expect(done, done.err).toMatchObject({ code: 0 });
    return done.out;
  };

  it.each(['native', 'amnesiac'] as const)('its sessions outlive their agent, the %s one', async (variant) => {
    await acpx(variant, 'sessions', 'new');
    await acpx(variant, 'my cat is called Miette');
    const said = await acpx(variant, 'what is my cat called?');
    expect(said).toContain('Miette');
    // It shows no `_meta`; that the agent had lost the session is there to be seen all the same.
    expect(said.includes('the agent no longer had this session')).toBe(variant === 'amnesiac');
    expect(await acpx(variant, 'ask permission')).toContain('end_turn');
  });
});

describe('acp-ai-provider, agents as models of the AI SDK', () => {
  it.each(['native', 'amnesiac'] as const)('its session is taken up by another program, with the %s agent', async (variant) => {
    const [command, ...args] = ours(variant) as [string, ...string[]];
    const program = (existingSessionId?: string) =>
      createACPProvider({
        command,
        args,
        env: surroundings() as Record<string, string>,
        session: { cwd: at.directory, mcpServers: [] },
        persistSession: true,
        ...(existingSessionId ? { existingSessionId } : {}),
      });
    const first = program();
    const model = () => first.languageModel();
    await generateText({ model: model(), prompt: 'my cat is called Miette' });
    await killAgents();
    // The agent is dead, the program is not.
    expect((await generateText({ model: model(), prompt: 'what is my cat called?' })).text).toContain('Miette');
    const sessionId = first.getSessionId() as string;
    first.cleanup();
    await gone(at.store);

    const second = program(sessionId);
    expect((await generateText({ model: second.languageModel(), prompt: 'what is my cat called?' })).text).toContain('Miette');
    second.cleanup();
  });
});

describe('@zed-industries/agent-client-protocol 0.4, as older clients are built on it', () => {
  it.each(['native', 'amnesiac'] as const)('new, prompt, kill, load and permission, with the %s agent', async (variant) => {
    const life = async <T>(work: (connection: ClientSideConnection, seen: SessionNotification[]) => Promise<T>): Promise<T> => {
      const [command, ...args] = ours(variant) as [string, ...string[]];
      const child = spawn(command, args, { cwd: at.directory, env: surroundings(), stdio: ['pipe', 'pipe', 'inherit'] });
      const seen: SessionNotification[] = [];
      const connection = new ClientSideConnection(
        () => ({
          sessionUpdate: async (update) => void seen.push(update),
          requestPermission: async ({ options }) => ({ outcome: { outcome: 'selected', optionId: options[0]!.optionId } }),
        }),
        ndJsonStream(Writable.toWeb(child.stdin), Readable.toWeb(child.stdout) as ReadableStream<Uint8Array>),
      );
      const { agentCapabilities } = await connection.initialize({ protocolVersion: 1, clientCapabilities: {} });
      expect(agentCapabilities?.loadSession).toBe(true);
      const result = await work(connection, seen);
      const exited = once(child, 'exit');
      child.stdin.end();
      expect((await exited)[0]).toBe(0);
      return result;
    };
    const said = (seen: readonly SessionNotification[]): string =>
      seen
        .map(({ update }) => (update.sessionUpdate === 'agent_message_chunk' && update.content.type === 'text' ? update.content.text : ''))
        .join('');
    const say = (text: string) => [{ type: 'text' as const, text }];
    const place = { cwd: at.directory, mcpServers: [] };

    const [sessionId, before] = await life(async (client, seen) => {
      const made = await client.newSession(place);
      await client.prompt({ sessionId: made.sessionId, prompt: say('my cat is called Miette') });
      await killAgents();
      await client.prompt({ sessionId: made.sessionId, prompt: say('what is my cat called?') });
      expect(said(seen).match(/Miette/g)?.length).toBeGreaterThan(1);
      return [made.sessionId, said(seen)] as const;
    });
    await life(async (client, seen) => {
      await client.loadSession({ sessionId, ...place });
      expect(said(seen)).toBe(before);
      expect((await client.prompt({ sessionId, prompt: say('ask permission') })).stopReason).toBe('end_turn');
      await client.prompt({ sessionId, prompt: say('what is my cat called?') });
      expect(said(seen).slice(before.length)).toContain('Miette');
    });
  });
});
