/** A session of OpenCode through everything a turn can be, as a raw client sees it, and its frames without what must differ. */
import path from 'node:path';
import { expect } from 'vitest';
import { startRaw, type Frame, type Json, type RawAgent } from './acp.ts';
import { textOf, type ModelScript } from './model.ts';
import { scrubber } from './scrub.ts';
import type { World } from './world.ts';

const REHYDRATE = path.resolve(import.meta.dirname, '../../../dist/cli/rehydrate.js');

/** OpenCode itself, or us in front of it. */
export function startAgent({ opencode, file }: World, ours: readonly string[] | null): RawAgent {
  const [program, ...args] = [
    ...(ours ? [process.execPath, REHYDRATE, 'acp', '--db', file, ...ours, '--'] : []),
    opencode.program,
    ...opencode.args,
  ];
  return startRaw(program as string, args, { cwd: opencode.cwd, env: { ...opencode.env } });
}

export const HELLO = {
  protocolVersion: 1,
  clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
  clientInfo: { name: 'a raw client', version: '1.0.0' },
};
export const say = (text: string) => [{ type: 'text', text }];

const script =
  (cwd: string): ModelScript =>
  ({ messages }) => {
    const last = messages.at(-1);
    if (last?.role === 'tool') return [{ text: 'Done.' }];
    const asked = textOf(last);
    const todos = [{ id: '1', content: 'Look', status: 'in_progress', priority: 'high' }];
    if (asked.startsWith('Write')) return [{ tool: 'write', args: { filePath: path.join(cwd, 'heron.txt'), content: 'grey\n' } }];
    if (asked.startsWith('Plan')) return [{ tool: 'todowrite', args: { todos } }];
    if (asked.startsWith('Run')) return [{ tool: 'bash', args: { command: 'echo heron', description: 'Says heron' } }];
    if (asked.startsWith('Count')) return [{ text: 'one two three', chunks: 3 }, { hang: true }];
    return [{ text: `You said: ${asked}` }];
  };

/** What a frame tells of a message, or nothing. */
const chunkOf = ({ frame }: Frame): string => {
  const { sessionUpdate, content } = (frame as Json).params?.update ?? {};
  return /_message_chunk$/.test(sessionUpdate) ? content.text : '';
};

/** Every frame of it, in order. */
export async function wholeSession(world: World, agent: RawAgent): Promise<readonly Frame[]> {
  const { opencode, model } = world;
  model.script(script(opencode.cwd));
  await agent.request('initialize', HELLO);
  const { sessionId } = (await agent.request('session/new', { cwd: opencode.cwd, mcpServers: [] })).result;
  const prompt = (words: string) => agent.request('session/prompt', { sessionId, prompt: say(words) });
  for (const words of ['Hello.', 'Write the file.', 'Plan it.']) await prompt(words);
  for (const optionId of ['once', 'reject']) {
    agent.onRequest((method) => (method === 'session/request_permission' ? { outcome: { outcome: 'selected', optionId } } : undefined));
    await prompt('Run the command.');
  }
  await agent.request('session/set_mode', { sessionId, modeId: 'plan' });
  await agent.request('session/set_config_option', { sessionId, configId: 'mode', value: 'build' });
  await agent.request('session/set_mode', { sessionId, modeId: 'nonsense' });
  await agent.request('_no/such', { sessionId });
  const cancelled = prompt('Count for ever.');
  // A model that has been asked has not answered yet, and an answer that was heard half is another one.
  await expect.poll(() => agent.frames.map(chunkOf).join('')).toMatch(/one two three$/);
  agent.notify('session/cancel', { sessionId });
  await cancelled;
  await agent.request('session/list', { cwd: opencode.cwd });
  return agent.frames;
}

/**
 * What the client received, without ids, times, `_meta` and the capabilities we add. Chunks of one message are one, however they
 * came; of a running tool call its first progress stands for all; state that says what it said before says nothing.
 */
export function normalised(frames: readonly Frame[], world: World): Json[] {
  const made = frames.find(({ frame }) => (frame as Json).result?.sessionId)?.frame as Json;
  const scrub = scrubber({
    [made.result.sessionId]: 'THE-SESSION',
    [world.opencode.cwd]: '/project',
    [world.opencode.cwd.slice(1)]: 'project',
    [world.opencode.home]: '/home/someone',
  });
  const state = new Map<string, string>();
  const last: Json[] = [];
  const progress = new Set<string>();
  for (const { dir, frame } of frames) {
    if (dir === 'send') continue;
    const plain: Json = scrub(withoutMeta(frame));
    const { update } = plain.params ?? {};
    if (plain.result?.agentCapabilities) {
      delete plain.result.agentCapabilities.loadSession;
      for (const added of ['list', 'resume', 'close', 'delete']) delete plain.result.agentCapabilities.sessionCapabilities?.[added];
    }
    // Ours is how the first prompt begins, where the agent tells no client what its own is.
    for (const listed of plain.result?.sessions ?? []) listed.title = 'a title';
    if (/^(usage|available_commands|config_option|current_mode|session_info)_update$/.test(update?.sessionUpdate)) {
      const told = JSON.stringify(update);
      if (state.get(update.sessionUpdate) === told) continue;
      state.set(update.sessionUpdate, told);
      // When the commands come is chance.
      if (update.sessionUpdate === 'available_commands_update') continue;
    }
    if (update?.sessionUpdate === 'tool_call_update' && update.status === 'in_progress') {
      if (progress.has(update.toolCallId)) continue;
      progress.add(update.toolCallId);
    }
    const before = last.at(-1)?.params?.update;
    if (/_chunk$/.test(update?.sessionUpdate) && before?.messageId === update.messageId && before?.sessionUpdate === update.sessionUpdate)
      before.content.text += update.content.text;
    else last.push(plain);
  }
  return [...last, JSON.parse(state.get('available_commands_update') ?? 'null')];
}

const withoutMeta = (frame: object): Json => JSON.parse(JSON.stringify(frame), (key, value: Json) => (key === '_meta' ? undefined : value));
