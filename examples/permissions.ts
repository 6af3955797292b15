/** Answers permission requests, by a person and by a rule: `node permissions.ts AGENT [ARG…]`. */
import { createHost, type Host } from 'acp-rehydrate';
import { openNodeSqlite } from 'acp-rehydrate/node-sqlite';
import { stdioLauncher } from 'acp-rehydrate/stdio';

const [command = '', ...args] = process.argv.slice(2);
const agents = stdioLauncher({ agents: { mine: { command, args } } });

// #region ask
async function answerFor(host: Host, sessionId: string, signal: AbortSignal): Promise<void> {
  for await (const event of host.events(sessionId, { signal })) {
    if (event.kind !== 'permission_requested') continue;
    const { requestId, toolCall, options } = event.payload;
    console.log(`May it? ${toolCall.title ?? toolCall.toolCallId}`);
    const once = options.find((option) => option.kind === 'allow_once');
    await host.respondPermission(sessionId, requestId, once?.optionId ?? null);
  }
}
// #endregion ask

const asking = await openNodeSqlite(':memory:');
const first = await createHost({ database: asking, agents });
const { sessionId } = await first.create({ agent: 'mine', cwd: process.cwd() });
const stop = new AbortController();
const answering = answerFor(first, sessionId, stop.signal);
console.log((await first.prompt(sessionId, 'ask permission')).stopReason);
stop.abort();
await answering;
await first.sleep();
await asking.close();

// #region rule
const database = await openNodeSqlite(':memory:');
const host = await createHost({
  database,
  agents,
  permission: ({ toolCall, options }) => {
    if (toolCall.kind === 'read') return options.find((option) => option.kind === 'allow_once')?.optionId ?? null;
    return null;
  },
});
// #endregion rule

const ruled = await host.create({ agent: 'mine', cwd: process.cwd() });
console.log((await host.prompt(ruled.sessionId, 'ask permission')).stopReason);
await host.sleep();
await database.close();
