/**
 * Records what the installed OpenCode says on the wire, scene by scene, to fixtures/. Run it again after changing
 * OpenCode's version: `npm test -- opencode && node tests/opencode/record.ts`; the difference is what changed.
 * tests/integration/engine/recorded.test.ts plays them to the engine.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { startModel, textOf } from './support/model.ts';
import { openCodeHome } from './support/opencode.ts';
import { startRaw, type Frame, type RawAgent } from './support/acp.ts';
import { scrubber } from './support/scrub.ts';

const FIXTURES = path.join(import.meta.dirname, 'fixtures');
const model = await startModel();
const opencode = await openCodeHome({ baseUrl: model.baseUrl, permission: { bash: 'ask' } });
const scrub = scrubber({
  [opencode.cwd]: '/project',
  [opencode.cwd.slice(1)]: 'project',
  [opencode.home]: '/home/someone',
  [model.baseUrl]: 'http://127.0.0.1:1/v1',
});

async function start(): Promise<RawAgent> {
  const agent = startRaw(opencode.program, opencode.args, { cwd: opencode.cwd, env: { ...opencode.env } });
  await agent.request('initialize', {
    protocolVersion: 1,
    clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
    clientInfo: { name: 'rehydrate-record', version: '1.0.0' },
  });
  return agent;
}

async function save(scene: string, frames: readonly Frame[]): Promise<void> {
  await writeFile(path.join(FIXTURES, `${scene}.jsonl`), frames.map((frame) => `${JSON.stringify(scrub(frame))}\n`).join(''));
  console.log(`${scene}: ${frames.length} frames`);
}

const at = { cwd: opencode.cwd, mcpServers: [] };
const say = (text: string) => [{ type: 'text', text }];

model.script((request) => {
  const last = request.messages.at(-1);
  if (last?.role === 'tool') return [{ text: 'Done.' }];
  const asked = textOf(last);
  if (asked.startsWith('Write')) return [{ tool: 'write', args: { filePath: path.join(opencode.cwd, 'heron.txt'), content: 'grey\n' } }];
  if (asked.startsWith('Plan')) {
    return [
      {
        tool: 'todowrite',
        args: {
          todos: [
            { id: '1', content: 'Look', status: 'in_progress', priority: 'high' },
            { id: '2', content: 'Leap', status: 'pending', priority: 'low' },
          ],
        },
      },
    ];
  }
  if (asked.startsWith('Run')) return [{ tool: 'bash', args: { command: 'echo heron', description: 'Says heron' } }];
  if (asked.startsWith('Count')) return [{ text: 'one two three', chunks: 3 }, { hang: true }];
  return [{ text: `You said: ${asked}` }];
});

// One session through everything a turn can be.
let agent = await start();
const { result } = await agent.request('session/new', at);
const sessionId: string = result.sessionId;
await agent.request('session/prompt', { sessionId, prompt: say('The codeword is heron.') });
await agent.request('session/list', { cwd: opencode.cwd });
await save('new-and-prompt', agent.frames);

let from = agent.frames.length;
await agent.request('session/prompt', { sessionId, prompt: say('Write the file.') });
await save('write-file', agent.frames.slice(from));
from = agent.frames.length;
await agent.request('session/prompt', { sessionId, prompt: say('Plan it.') });
await save('plan', agent.frames.slice(from));
for (const optionId of ['once', 'reject']) {
  from = agent.frames.length;
  agent.onRequest((method) => (method === 'session/request_permission' ? { outcome: { outcome: 'selected', optionId } } : undefined));
  await agent.request('session/prompt', { sessionId, prompt: say('Run the command.') });
  await save(`permission-${optionId}`, agent.frames.slice(from));
}
from = agent.frames.length;
const seen = model.requests.length;
const cancelled = agent.request('session/prompt', { sessionId, prompt: say('Count for ever.') });
await model.received(seen + 1);
agent.notify('session/cancel', { sessionId });
await cancelled;
await save('cancel', agent.frames.slice(from));
await agent.kill('SIGKILL');

for (const method of ['session/resume', 'session/load']) {
  agent = await start();
  await agent.request(method, { sessionId, ...at });
  await agent.request('session/prompt', { sessionId, prompt: say('What is the codeword?') });
  await save(`kill-and-${method.slice('session/'.length)}`, agent.frames);
  await agent.kill('SIGKILL');
}

agent = await start();
const neverPrompted = await agent.request('session/new', at);
await agent.kill('SIGKILL');
agent = await start();
await agent.request('session/load', { sessionId: neverPrompted.result.sessionId, ...at });
await agent.request('session/close', { sessionId: neverPrompted.result.sessionId });
await save('never-prompted', agent.frames);
await agent.kill('SIGKILL');

await opencode.loseStore();
agent = await start();
await agent.request('session/resume', { sessionId, ...at });
await agent.request('session/load', { sessionId, ...at });
await agent.request('session/prompt', { sessionId, prompt: say('Anyone there?') });
await agent.request('session/list', { cwd: opencode.cwd });
await save('store-lost', agent.frames);
await agent.kill('SIGKILL');

await opencode.remove();
await model.close();
