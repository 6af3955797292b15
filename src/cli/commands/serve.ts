/** `rehydrate serve`: one host, many clients, on one machine. */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { streamDoor } from '../../bridge/index.ts';
import { RehydrateError } from '../../engine/errors.ts';
import { startServer, type Server } from '../../server/index.ts';
import type { Command } from '../context.ts';
import { SIGNAL_EXITS } from '../exit-codes.ts';
import type { EndingSignal } from '../exit-codes.ts';
import { isMissing, hostOf } from '../host.ts';
import { has, one } from '../parse.ts';
import { sessionOptions } from '../session.ts';
import { agentsOf, doorOptions, listening, note } from './bridge.ts';

export const serve: Command = async ({ call, output, signals }) => {
  const agents = agentsOf(call);
  const door = doorOptions(call);
  const options = sessionOptions(call);
  const file = one(call, 'token-file');
  const token = file === undefined ? undefined : tokenFrom(file);
  const opened = await hostOf(call, 'ask', options.env, { client: null, agents });
  const ended = new Promise<EndingSignal>((resolve) => {
    let asked = false;
    signals.on((signal) => {
      // Whoever insists does not wait for turns to end.
      if (asked) void opened.killAgents();
      asked = true;
      resolve(signal);
    });
  });
  try {
    const server = await listening(door, () =>
      startServer(opened.host, {
        agents: Object.keys(agents),
        env: options.env,
        // Programs have no origin; a browser always says its own. Both need the token.
        door: streamDoor({ ...door, token, allowMissingOrigin: true, log: (event) => note(event, output.note) }),
      }),
    );
    if (has(call, 'json')) output.json({ url: server.url, token: server.token, agents: server.agents });
    else output.line(banner(server, file));
    const signal = await ended;
    await server.close();
    return SIGNAL_EXITS[signal];
  } finally {
    await opened.close();
  }
};

function banner({ url, token, agents }: Server, file: string | undefined): string {
  return [
    `Serving on ${url}`,
    ...agents.map((name) => `  rehydrate acp --connect ${url} --token-file ${file ?? 'FILE'} --agent ${name}`),
    file === undefined ? `The token, for FILE: ${token}` : `The token is in ${file}.`,
  ].join('\n');
}

/** The token in the file; one is made when there is none, so that clients find the same after a restart. */
export function tokenFrom(file: string): string {
  try {
    return readToken(file);
  } catch (error) {
    if (!isMissing((error as NodeJS.ErrnoException).code)) throw error;
  }
  const token = randomBytes(32).toString('base64url');
  writeFileSync(file, `${token}\n`, { mode: 0o600, flag: 'wx' });
  return token;
}

export function readToken(file: string): string {
  const token = readFileSync(file, 'utf8').trim();
  if (/^[A-Za-z0-9_-]{43}$/.test(token)) return token;
  throw new RehydrateError('invalid_argument', `${file} holds no token: it is 43 base64url characters, as rehydrate serve writes it.`, {
    file,
  });
}
