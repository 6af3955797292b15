/** Playwright's global set-up: the server of `npm start` for as long as the browser tests run. */
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { startChild } from './start-child.mjs';

export default async function setUpServer() {
  const cwd = await realpath(await mkdtemp(path.join(os.tmpdir(), 'rehydrate-e2e-')));
  const server = await startChild(['--cwd', cwd, '--agent-store', path.join(cwd, '.agents')]);
  process.env.REHYDRATE_URL = server.url;
  // Every browser of the tests is one that was let in, but where a test says otherwise.
  const cookie = { ...(await server.letIn()), domain: new URL(server.url).hostname, path: '/__rehydrate/', expires: -1, secure: false };
  process.env.REHYDRATE_BROWSER = JSON.stringify({ cookies: [{ ...cookie, httpOnly: true, sameSite: 'Strict' }], origins: [] });
  return async () => {
    await server.stop();
    await rm(cwd, { recursive: true, force: true });
  };
}
