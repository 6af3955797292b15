/** A durable session in a tab, for Vite. `tests/package` builds it and runs it in a browser. */
// #region page
import { createHost } from 'acp-rehydrate';
import { openSqljs } from 'acp-rehydrate/sqljs';
import { workerLauncher } from 'acp-rehydrate/worker';
import wasm from 'sql.js/dist/sql-wasm-browser.wasm?url'; // Vite: the address of the file

const database = await openSqljs({ storage: { indexedDB: 'sessions' }, locateFile: () => wasm });
const mine = () => new Worker(new URL('./agent.ts', import.meta.url), { type: 'module' });
const host = await createHost({ database, agents: workerLauncher({ agents: { mine } }) });

const [session = await host.create({ agent: 'mine', cwd: '/' })] = (await host.list()).sessions;
const { stopReason, report } = await host.prompt(session.sessionId, 'hello');
// #endregion page

document.body.append(`${stopReason}; the session became live by: ${report.tier}`);
