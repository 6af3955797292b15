/**
 * An agent that answers as it should, and does one hostile thing in its life.
 *
 *   node hostile.ts DEED OUTSIDE    OUTSIDE is a file that is none of its session's
 */
import { spawn } from 'node:child_process';
import { closeSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const [deed = '', outside = ''] = process.argv.slice(2);
const say = (message: object): void => void process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const update = (sessionId: unknown, text: string): void =>
  say({
    method: 'session/update',
    params: { sessionId, update: { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } } },
  });
let asked = 0;
const ask = (method: string, params: unknown): string => {
  const id = `theirs-${(asked += 1)}`;
  say({ id, method, params });
  return id;
};
/** What it has asked for and must not get, by the id of the request. */
const forbidden = new Map<string, string>();
/** Called once each of those was answered. */
let afterwards = (): void => undefined;
const leave = (): void => {
  for (const detached of [false, true]) spawn('sh', ['-c', 'trap "" TERM HUP INT; sleep 600'], { stdio: 'ignore', detached });
};

/** What it does before it has been asked anything. */
const atStart: Record<string, () => void> = {
  'a line that does not end': () => process.stdout.write('x'.repeat(3_000_000)),
  'a message that is too large': () => update('s', 'x'.repeat(3_000_000)),
  'rubbish on both outputs': () => {
    process.stdout.write(Buffer.from(Array.from({ length: 100_000 }, (_, at) => (at * 31) % 256)));
    process.stderr.write('e'.repeat(2_000_000));
  },
  'answers to what nobody asked': () => {
    for (const id of [0, -1, 1, 2, null, '1', 1e300, {}, [], '__proto__'])
      say({ id, result: { sessionId: 'stolen', protocolVersion: 99 } });
  },
  'a version from the future': () => undefined,
  'deaf to every signal': () => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGPIPE']) process.on(signal, () => undefined);
    leave();
  },
};

/** What it does when it is prompted; true: that was its answer. */
const atPrompt: Record<string, (sessionId: string, id: number) => boolean | void> = {
  'a flood of updates': (sessionId) => {
    for (let index = 0; index < 3_000; index += 1) update(sessionId, 'x'.repeat(200));
  },
  'updates of other sessions': () => {
    for (const sessionId of ['innocent', 'main', '', '__proto__', 7, null]) update(sessionId, 'FORGED');
  },
  'updates of no shape': (sessionId) => {
    const shapes = [null, 7, 'x', [], {}, { sessionUpdate: 7 }, { sessionUpdate: '__proto__' }, { sessionUpdate: 'plan', entries: 7 }];
    for (const shape of shapes) say({ method: 'session/update', params: { sessionId, update: shape } });
    for (const params of [null, 7, [], {}]) say({ method: 'session/update', params });
    process.stdout.write(
      '{"jsonrpc":"2.0","method":"session/update","params":{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}}\n',
    );
  },
  'a message nested without end': (sessionId) => {
    const [open, close] = ['{"a":['.repeat(30_000), ']}'.repeat(30_000)];
    process.stdout.write(
      `{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"${sessionId}","update":{"sessionUpdate":"tool_call","toolCallId":"t","title":"t","rawInput":${open}${close}}}}\n`,
    );
  },
  'files outside of its directories': (sessionId, id) => {
    symlinkSync(outside, path.join(process.cwd(), 'link'));
    symlinkSync(path.dirname(outside), path.join(process.cwd(), 'way'));
    writeFileSync(path.join(process.cwd(), 'mine'), 'MINE');
    afterwards = () => say({ id, result: { stopReason: 'end_turn' } });
    const inside = ['link', 'way/outside', '../outside', 'way/new'].map((name) => `${process.cwd()}/${name}`);
    for (const name of [...inside, outside, `${outside}-new`, '/proc/self/environ', '/dev/stdin', '/etc/hostname']) {
      forbidden.set(ask('fs/read_text_file', { sessionId, path: name }), `read ${name}`);
      forbidden.set(ask('fs/write_text_file', { sessionId, path: name, content: 'OVERWRITTEN' }), `wrote ${name}`);
    }
    // It is heard at all: what is its own it gets.
    ask('fs/read_text_file', { sessionId, path: path.join(process.cwd(), 'mine') });
    return true;
  },
  'a flood of requests whose answers it does not read': (sessionId) => {
    process.stdin.pause();
    for (let index = 0; index < 3_000; index += 1) ask('fs/read_text_file', { sessionId, path: path.join(process.cwd(), 'x'.repeat(500)) });
    return true;
  },
  'terminals without end, and others’': (sessionId) => {
    for (let index = 0; index < 60; index += 1)
      ask('terminal/create', { sessionId, command: 'sh', args: ['-c', 'trap "" TERM; setsid sleep 600'], cwd: process.cwd() });
    for (let index = 0; index < 60; index += 1) ask('terminal/output', { sessionId, terminalId: `term_${index}` });
    ask('terminal/create', { sessionId: 'innocent', command: 'true' });
  },
  'permissions without end': (sessionId) => {
    for (let index = 0; index < 300; index += 1)
      ask('session/request_permission', {
        sessionId,
        toolCall: { toolCallId: `t${index}` },
        options: [{ optionId: 'a', name: 'a', kind: 'allow_always' }],
      });
  },
  'requests of no shape': (sessionId) => {
    for (const method of ['', '__proto__', 'constructor', 'initialize', 'session/prompt', 'fs/read_text_file', 'terminal/create'])
      for (const params of [null, 7, [], { sessionId }, { sessionId, path: 7, command: 7 }, { sessionId, path: '\0', command: '\0' }])
        ask(method, params);
  },
  'a crash with others left behind': () => {
    leave();
    process.exit(9);
  },
  'an input that is closed': () => {
    leave();
    closeSync(0);
    return true;
  },
  'an output that is closed': () => {
    closeSync(1);
    setInterval(() => undefined, 1_000);
    return true;
  },
  'no answer at all': () => true,
  'an answer of no shape': (_sessionId, id) => {
    process.stdout.write(`{"jsonrpc":"2.0","id":${id},"result":{"stopReason":{"__proto__":[]},"usage":"\\ud800"}}\n`);
    return true;
  },
  'the same answer, many times': (_sessionId, id) => {
    for (let index = 0; index < 100; index += 1) say({ id, result: { stopReason: 'end_turn' } });
    return true;
  },
  'an error without measure': (_sessionId, id) => {
    say({ id, error: { code: 'x', message: 'm'.repeat(1_000_000), data: { details: 'd'.repeat(500_000) } } });
    return true;
  },
  'control characters': (sessionId) => update(sessionId, '\u001b]0;owned\u0007\u001b[2J\u009b31m\u202e\0\ud800'),
};

if (deed in atStart || deed in atPrompt) {
  atStart[deed]?.();
  let pending = '';
  process.stdin.on('data', (chunk: Buffer) => {
    const lines = (pending + String(chunk)).split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) answer(JSON.parse(line) as Message);
  });
  process.stdin.on('error', () => undefined);
  process.stdout.on('error', () => undefined);
  process.stdin.on('end', () => deed !== 'deaf to every signal' && process.exit(0));
}

interface Message {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: { readonly sessionId: string };
  readonly result?: { readonly content?: string };
}

let session = '';
function answer({ id, method, params, result }: Message): void {
  if (id === undefined) return;
  if (method === undefined) {
    if (result !== undefined && forbidden.has(String(id))) update(session, `GOT THROUGH: ${forbidden.get(String(id))}`);
    if (result?.content === 'MINE') update(session, 'OWN FILE READ');
    if (forbidden.delete(String(id)) && forbidden.size === 0) setTimeout(() => afterwards(), 50);
    return;
  }
  switch (method) {
    case 'initialize':
      return say({ id, result: { protocolVersion: deed === 'a version from the future' ? 9 : 1, agentCapabilities: {} } });
    case 'session/new':
      session = `agent-${process.pid}`;
      return say({ id, result: { sessionId: session } });
    case 'session/prompt':
      if (atPrompt[deed]?.(params!.sessionId, Number(id)) !== true) say({ id, result: { stopReason: 'end_turn' } });
      return;
    default:
      say({ id, error: { code: -32601, message: 'no' } });
  }
}

/** Their names, for the test. */
export const DEEDS = [...Object.keys(atStart), ...Object.keys(atPrompt)];
