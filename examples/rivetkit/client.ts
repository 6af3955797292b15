/**
 * Prompts a user's session and shows the answer as it is stored. `node client.ts USER TEXT`, and `node client.ts USER --sleep`
 * puts the user's actor to sleep; the next prompt wakes it.
 */
// #region connect
import { followSession } from 'acp-rehydrate/rivetkit';
import { createClient } from 'rivetkit/client';
import type { registry } from './server.ts';

const [user, ...words] = process.argv.slice(2);
const text = words.join(' ');
if (!user || !text) {
  console.error('Usage: node client.ts USER TEXT | --sleep');
  process.exit(2);
}

const client = createClient<typeof registry>(process.env['RIVET_ENDPOINT'] ?? 'http://127.0.0.1:6420');
const actor = client.sessions.getOrCreate([user]);
// #endregion connect

if (text === '--sleep') {
  await actor.sleep();
  process.exit();
}

// #region session
const { sessions } = await actor.list();
const session = sessions[0] ?? (await actor.create({ agent: 'mine', cwd: process.cwd(), sessionId: 'main' }));
const { sessionId, latestSeq } = session;
// #endregion session

// #region follow
const connection = actor.connect();
const stop = new AbortController();

async function show(): Promise<void> {
  for await (const event of followSession(connection, sessionId, { after: latestSeq, signal: stop.signal })) {
    if (event.kind === 'turn_ended') return;
    if (event.kind !== 'update') continue;
    const update = event.payload;
    if (update.sessionUpdate === 'agent_message_chunk' && update.content.type === 'text') process.stdout.write(update.content.text);
  }
}
const showing = show();
// #endregion follow

// #region prompt
try {
  const { stopReason, report } = await actor.prompt(sessionId, text, { idempotencyKey: crypto.randomUUID() });
  await showing;
  console.error(`\n[${stopReason}; the session became live by: ${report.tier}]`);
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  console.error(`\n[${code ?? 'error'}] ${message}`);
  process.exitCode = 1;
} finally {
  stop.abort();
  await connection.dispose();
  await client.dispose();
}
// #endregion prompt
