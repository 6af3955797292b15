/**
 * What a client does with a host, in the order of the guide.
 *
 *   node client.ts TEXT -- AGENT [ARG…]
 */
// #region open
import { createHost, RehydrateError } from 'acp-rehydrate';
import { openNodeSqlite } from 'acp-rehydrate/node-sqlite';
import { stdioLauncher } from 'acp-rehydrate/stdio';
// #endregion open

const separator = process.argv.indexOf('--');
const text = process.argv.slice(2, separator).join(' ');
const [command = '', ...args] = process.argv.slice(separator + 1);

// #region open
const database = await openNodeSqlite('client.sqlite');
const host = await createHost({
  database,
  agents: stdioLauncher({ agents: { mine: { command, args } } }),
});
// #endregion open

// #region create
const { sessionId } = await host.create({ agent: 'mine', cwd: process.cwd() });
// #endregion create

// #region events
async function follow(after: number, signal: AbortSignal): Promise<void> {
  for await (const event of host.events(sessionId, { after, signal })) {
    if (event.kind === 'update') console.log(event.seq, event.payload.sessionUpdate);
    if (event.kind === 'resumed') console.log(event.seq, 'became live by', event.payload.tier);
  }
}
// #endregion events

const stop = new AbortController();
const following = follow(0, stop.signal);

// #region prompt
const { stopReason, report } = await host.prompt(sessionId, text);
console.log(`${stopReason}, ${report.tier}`);
// #endregion prompt

// #region errors
async function ask(words: string, idempotencyKey: string): Promise<string> {
  try {
    const { stopReason } = await host.prompt(sessionId, words, { idempotencyKey });
    return stopReason;
  } catch (error) {
    if (!RehydrateError.is(error)) throw error;
    switch (error.code) {
      case 'turn_outcome_unknown':
        return `Nobody knows whether this ran: ${error.message}`;
      case 'session_busy':
        return `Somebody else has the session: ${error.message}`;
      default:
        return error.message;
    }
  }
}
// #endregion errors

console.log(await ask(text, 'key-1'));

// #region sleep
await host.sleep();
await database.close();
// #endregion sleep

stop.abort();
await following;
