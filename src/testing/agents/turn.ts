/** Runs one turn of a scripted agent: the prompt's intent leads to updates, requests and a stop reason. */
import {
  type AgentContext,
  type ClientCapabilities,
  type ContentBlock,
  type McpServer,
  methods,
  type SessionUpdate,
  type StopReason,
} from '@agentclientprotocol/sdk';
import { randomId } from '../../engine/random-id.ts';
import { factsIn, keyOf } from './facts.ts';
import { countIn, intentOf } from './intents.ts';
import { answer, everything, HELP, noted, pieces, subjectOf } from './replies.ts';
import { configOptions, filesToRead, knownFacts, type LiveSession, MODES, wordsOf } from './session.ts';
import type { SessionStore, StoredEntry } from './store.ts';
import type { Surroundings } from './surroundings.ts';
import type { Behaviour } from './variants.ts';

export interface TurnContext {
  readonly session: LiveSession;
  readonly client: AgentContext;
  readonly clientCapabilities: ClientCapabilities;
  readonly behaviour: Behaviour;
  readonly store: SessionStore;
  readonly around: Surroundings;
  readonly signal: AbortSignal;
  readonly version: 1 | 2;
}

const CHUNK_MS = 15;
const COUNT_MS = 150;

/** Runs the prompt to its end. The prompt and the answer are stored. */
export async function runTurn(blocks: readonly ContentBlock[], turn: TurnContext): Promise<StopReason> {
  const { session, store } = turn;
  const user: StoredEntry = { type: 'user', messageId: nextMessage(turn), blocks };
  session.entries.push(user);
  await store.append(session.sessionId, [user]);
  // In v2 the agent sends the user's message back.
  if (turn.version === 2)
    await notify(turn, { sessionUpdate: 'user_message_chunk', content: blocks[0] as ContentBlock, messageId: user.messageId });

  for (const file of filesToRead(session)) session.files.set(file, (await turn.around.readFile?.(file)) ?? '');
  const words = wordsOf(blocks);
  if (session.title === null && words.trim() !== '') await rename(turn, words.trim().slice(0, 60));
  if (turn.behaviour.unknownKinds) await unknownKinds(turn);
  const text = await perform(words, blocks, turn);
  if (text !== '') await remember(turn, [{ type: 'agent', messageId: session.messageId, text }]);
  await notify(turn, {
    sessionUpdate: 'usage_update',
    used: session.entries.reduce((sum, entry) => sum + JSON.stringify(entry).length, 0),
    size: 100_000,
  });
  await store.put({ sessionId: session.sessionId, cwd: session.cwd, title: session.title, updatedAt: Date.now() });
  return turn.signal.aborted ? 'cancelled' : 'end_turn';
}

/** Does what the prompt asks, and returns what was said, for the agent's own store. */
async function perform(prompt: string, blocks: readonly ContentBlock[], turn: TurnContext): Promise<string> {
  const { session, around } = turn;
  const intent = intentOf(prompt);
  const [about = '', text = ''] = intent.about;
  const brief = session.modeId === 'brief';
  const known = knownFacts(session);
  switch (intent.do) {
    case 'tell':
      return say(turn, noted(factsIn(about), brief));
    case 'ask':
      return say(turn, answer(known, keyOf(about), subjectOf(about), brief));
    case 'recall':
      return say(turn, everything(known));
    case 'help':
      return say(turn, HELP);
    case 'say':
      return say(turn, about);
    case 'say-split':
      return stream(turn, about);
    case 'env':
      return say(turn, around.env(about) ?? `${about} is not set here.`);
    case 'mcp':
      return say(turn, mcpWords(session.mcpServers));
    case 'think':
      await notify(turn, { sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text: `Let me think about ${about}.` } });
      return say(turn, `I thought about ${about}.`);
    case 'settings':
      return say(turn, `Mode: ${session.modeId}. Model: ${session.model}. Directory: ${session.cwd}.`);
    case 'switch-mode':
      return switchMode(turn, about.toLowerCase());
    case 'rename':
      await rename(turn, about.trim());
      return say(turn, `This session is now called “${about.trim()}”.`);
    case 'count':
      return stream(turn, numbered(countIn(about), ''), COUNT_MS);
    case 'stream':
      return stream(turn, numbered(countIn(about), 'chunk '), 10, 10);
    case 'list-files':
      return listFiles(turn);
    case 'write-file':
      return writeFile(turn, about, text);
    case 'read-file':
      return readFile(turn, about);
    case 'delete-file':
      return askPermission(turn, `Delete ${about}`, `I would delete ${about} now; this demonstration leaves it be.`);
    case 'ask-permission':
      return askPermission(turn, 'Do something that needs your permission', 'Thank you. I did it.');
    case 'crash':
      await say(turn, 'I am about to crash…');
      around.log('crashed on request');
      around.exit(3);
      return new Promise(() => undefined);
    case 'hang':
      await say(turn, 'I will not answer any more.');
      return new Promise(() => undefined);
    case 'chat':
      return say(turn, chat(about, blocks));
  }
}

/** Shows the values, too, so that one sees whether they came back after a wake. */
function mcpWords(servers: readonly McpServer[]): string {
  const lines = servers.map((server) => {
    const pairs = 'headers' in server ? server.headers : 'env' in server ? server.env : [];
    return `${server.name}: ${pairs.map((pair) => `${pair.name}=${pair.value}`).join(' ') || 'nothing set'}`;
  });
  return lines.length > 0 ? lines.join('\n') : 'There are no MCP servers.';
}

function chat(text: string, blocks: readonly ContentBlock[]): string {
  const others = blocks
    .filter((block) => block.type !== 'text')
    .map((block) => (block.type === 'image' || block.type === 'audio' ? `${block.type} (${block.mimeType})` : block.type));
  const attached = others.length > 0 ? ` Attached: ${others.join(', ')}.` : '';
  return `You said: “${text}”.${attached} Say “help” to see what I can do.`;
}

// ---------------------------------------------------------------- speaking

/** Streams a message, `burst` chunks at a time, and returns it up to a cancel. */
async function stream(turn: TurnContext, chunks: Iterable<string>, everyMs = CHUNK_MS, burst = 1): Promise<string> {
  const id = nextMessage(turn);
  let said = '';
  let n = 0;
  for (const chunk of chunks) {
    if (turn.signal.aborted) return said;
    const content = { type: 'text', text: chunk } as const;
    await notify(turn, { sessionUpdate: 'agent_message_chunk', content, ...(turn.behaviour.messageIds ? { messageId: id } : {}) });
    said += chunk;
    if (++n % burst === 0) await turn.around.sleep(everyMs, turn.signal);
  }
  return said;
}

const say = (turn: TurnContext, text: string): Promise<string> => stream(turn, pieces(text));

function* numbered(count: number, word: string): Generator<string> {
  for (let n = 1; n <= count; n += 1) yield `${word}${n} `;
}

function notify(turn: TurnContext, update: SessionUpdate): Promise<void> {
  return turn.client.notify(methods.client.session.update, { sessionId: turn.session.sessionId, update });
}

async function unknownKinds(turn: TurnContext): Promise<void> {
  const { sessionId } = turn.session;
  const odd = { sessionUpdate: '_demo_weather', sky: 'clear', nested: { degrees: [12, 14] } };
  await turn.client.notify<unknown>('session/update', { sessionId, update: odd, _meta: { demo: 1 } });
  const extra = { sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text: 'Hm.', _demo: true }, _demoField: 'kept' };
  await turn.client.notify<unknown>('session/update', { sessionId, update: extra });
  await turn.client.notify<unknown>('_demo/heartbeat', { sessionId });
}

// ---------------------------------------------------------------- settings

async function switchMode(turn: TurnContext, modeId: string): Promise<string> {
  if (!MODES.some((mode) => mode.id === modeId)) {
    return say(turn, `I have no mode “${modeId}”. There are: ${MODES.map((mode) => mode.id).join(', ')}.`);
  }
  turn.session.modeId = modeId;
  await notify(turn, { sessionUpdate: 'current_mode_update', currentModeId: modeId });
  await notify(turn, { sessionUpdate: 'config_option_update', configOptions: configOptions(turn.session) });
  return say(turn, `I am in the mode “${modeId}” now.`);
}

async function rename(turn: TurnContext, title: string): Promise<void> {
  turn.session.title = title;
  await notify(turn, { sessionUpdate: 'session_info_update', title });
}

// ---------------------------------------------------------------- tools

async function listFiles(turn: TurnContext): Promise<string> {
  const steps = ['Look at the directory', 'Say what is there'];
  await plan(turn, steps, 0);
  const call = await startCall(turn, `List ${turn.session.cwd}`, 'read');
  const names = (await turn.around.listFiles?.(turn.session.cwd)) ?? writtenFiles(turn.session);
  await endCall(turn, call, 'completed', names.join('\n') || '(nothing)');
  await plan(turn, steps, 2);
  return say(turn, names.length > 0 ? `There are ${names.length} files: ${names.join(', ')}.` : 'There are no files.');
}

async function writeFile(turn: TurnContext, name: string, content: string): Promise<string> {
  const steps = ['Write the file', 'Say so'];
  await plan(turn, steps, 0);
  const call = await startCall(turn, `Write ${name}`, 'edit');
  if (turn.clientCapabilities.fs?.writeTextFile !== true) {
    await endCall(turn, call, 'failed', 'The client offers no file system.');
    return say(turn, `I cannot write ${name}: you offer me no file system.`);
  }
  return onDisk(turn, call, 'write', name, async (file) => {
    await turn.client.request(methods.client.fs.writeTextFile, { ...file, content });
    await endCall(turn, call, 'completed', `Wrote ${content.length} characters.`);
    await plan(turn, steps, 2);
    return `I wrote ${name}.`;
  });
}

async function readFile(turn: TurnContext, name: string): Promise<string> {
  if (turn.clientCapabilities.fs?.readTextFile !== true) return say(turn, `I cannot read ${name}: you offer me no file system.`);
  const call = await startCall(turn, `Read ${name}`, 'read');
  return onDisk(turn, call, 'read', name, async (file) => {
    const { content } = await turn.client.request(methods.client.fs.readTextFile, { ...file });
    await endCall(turn, call, 'completed', content);
    return content;
  });
}

/** Has the client read or write a file. If that fails, so does the tool call. */
async function onDisk(
  turn: TurnContext,
  call: Call,
  verb: 'read' | 'write',
  name: string,
  work: (file: { sessionId: string; path: string }) => Promise<string>,
): Promise<string> {
  const { sessionId, cwd } = turn.session;
  const path = name.startsWith('/') ? name : `${cwd.replace(/\/$/, '')}/${name}`;
  const said = await work({ sessionId, path }).catch(async (error: Error) => {
    await endCall(turn, call, 'failed', error.message);
    return `I could not ${verb} ${name}: ${error.message}`;
  });
  return say(turn, said);
}

async function askPermission(turn: TurnContext, title: string, done: string): Promise<string> {
  const call = await startCall(turn, title, 'delete');
  const { outcome } = await turn.client.request(methods.client.session.requestPermission, {
    sessionId: turn.session.sessionId,
    toolCall: { ...call, status: 'pending' },
    options: [
      { optionId: 'once', name: 'Allow once', kind: 'allow_once' },
      { optionId: 'always', name: 'Allow always', kind: 'allow_always' },
      { optionId: 'no', name: 'Reject', kind: 'reject_once' },
    ],
  });
  if (outcome.outcome === 'cancelled') {
    await endCall(turn, call, 'failed', 'Cancelled.');
    return say(turn, 'Nobody answered, so I did nothing.');
  }
  const allowed = outcome.optionId !== 'no';
  await endCall(turn, call, allowed ? 'completed' : 'failed', allowed ? 'Allowed.' : 'Rejected.');
  return say(turn, allowed ? done : 'You said no, so I did nothing.');
}

interface Call {
  readonly toolCallId: string;
  readonly title: string;
  readonly kind: 'read' | 'edit' | 'delete';
}

async function startCall(turn: TurnContext, title: string, kind: Call['kind']): Promise<Call> {
  const call = { toolCallId: `call_${randomId()}`, title, kind };
  await notify(turn, { sessionUpdate: 'tool_call', ...call, status: kind === 'delete' ? 'pending' : 'in_progress' });
  return call;
}

async function endCall(turn: TurnContext, call: Call, status: 'completed' | 'failed', text: string): Promise<void> {
  const end = { status, content: [{ type: 'content' as const, content: { type: 'text' as const, text } }] };
  await notify(turn, { sessionUpdate: 'tool_call_update', toolCallId: call.toolCallId, ...end });
  // Real agents replay a tool call as one `tool_call` in its last state.
  await remember(turn, [{ type: 'update', update: { sessionUpdate: 'tool_call', ...call, ...end } }]);
}

async function plan(turn: TurnContext, steps: readonly string[], done: number): Promise<void> {
  await notify(turn, {
    sessionUpdate: 'plan',
    entries: steps.map((content, index) => ({
      content,
      priority: 'medium',
      status: index < done ? 'completed' : index === done ? 'in_progress' : 'pending',
    })),
  });
}

async function remember(turn: TurnContext, entries: readonly StoredEntry[]): Promise<void> {
  turn.session.entries.push(...entries);
  await turn.store.append(turn.session.sessionId, entries);
}

/** The id is kept with the message, so that a replay can repeat it. */
function nextMessage(turn: TurnContext): string {
  turn.session.messageId = `msg_${randomId()}`;
  return turn.session.messageId;
}

function writtenFiles(session: LiveSession): string[] {
  const names = session.entries.flatMap((entry) => (entry.type === 'agent' ? [/^I wrote (\S+)\.$/.exec(entry.text)?.[1]] : []));
  return [...new Set(names.filter((name) => name !== undefined))];
}
