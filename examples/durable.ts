/**
 * The tutorial's program: a durable ACP host in one file.
 *
 *   node durable.ts TEXT -- AGENT [ARG…]
 *
 * Every run is a new process on the same database, so every run but the first resumes.
 */
// #region imports
import { createHost, RehydrateError, type SessionEvent } from 'acp-rehydrate';
import { openNodeSqlite } from 'acp-rehydrate/node-sqlite';
import { stdioLauncher } from 'acp-rehydrate/stdio';
// #endregion imports

// #region arguments
const separator = process.argv.indexOf('--');
const text = process.argv.slice(2, separator).join(' ');
const [command, ...args] = process.argv.slice(separator + 1);
if (separator < 0 || !text || !command) {
  console.error('Usage: node durable.ts TEXT -- AGENT [ARG…]');
  process.exit(2);
}
// #endregion arguments

// #region host
const database = await openNodeSqlite('durable.sqlite');
const host = await createHost({
  database,
  agents: stdioLauncher({ agents: { mine: { command, args } } }),
  permission: 'reject',
});
// #endregion host

// #region session
const { sessions } = await host.list();
const session = sessions[0] ?? (await host.create({ agent: 'mine', cwd: process.cwd() }));
const { sessionId, latestSeq } = session;
// #endregion session

// #region show
function show(event: SessionEvent): void {
  if (event.kind !== 'update') return;
  const update = event.payload;
  if (update.sessionUpdate === 'agent_message_chunk' && update.content.type === 'text') process.stdout.write(update.content.text);
}

const stop = new AbortController();
const showing = (async () => {
  for await (const event of host.events(sessionId, { after: latestSeq, signal: stop.signal })) {
    show(event);
    if (event.kind === 'turn_ended') return;
  }
})();
// #endregion show

// #region prompt
try {
  const { stopReason, report } = await host.prompt(sessionId, text);
  await showing;
  console.error(`\n[${stopReason}; the session became live by: ${report.tier}]`);
} catch (error) {
  if (!RehydrateError.is(error)) throw error;
  console.error(`\n[${error.code}] ${error.message}`);
  process.exitCode = 1;
} finally {
  stop.abort();
  await host.sleep();
  await database.close();
}
// #endregion prompt
