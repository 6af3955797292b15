/** Getting the session of a call ready: made if there is none, checked against the call's wishes if there is. */
import type { Host } from '../engine/index.ts';
import { RehydrateError } from '../engine/errors.ts';
import type { SessionInfo } from '../engine/types.ts';
import type { SessionWishes } from './open-host.ts';
import type { Output } from './output.ts';

export async function findSession(host: Host, sessionId: string): Promise<SessionInfo | null> {
  try {
    return await host.get(sessionId);
  } catch (error) {
    if (RehydrateError.is(error) && error.code === 'session_not_found') return null;
    throw error;
  }
}

export interface ReadySession {
  readonly session: SessionInfo;
  /** The last event before this call: what comes after it is this call's to show. */
  readonly before: number;
}

/**
 * Makes the session if there is none. One that is there keeps its directory and servers: a
 * call that wants others is told, since doing something else in silence would be worse.
 */
export async function readySession(host: Host, wishes: SessionWishes, output: Output, signal: AbortSignal): Promise<ReadySession> {
  const { sessionId, agent } = wishes;
  const present = await findSession(host, sessionId);
  if (wishes.auth !== undefined) await host.authenticate(present?.agent ?? agent, wishes.auth);
  if (present) return asItIs(present, wishes, output);
  const { env, mcpServers } = wishes;
  try {
    const session = await host.create({
      agent,
      sessionId,
      cwd: wishes.cwd ?? process.cwd(),
      env,
      ...(mcpServers ? { mcpServers } : {}),
      signal,
    });
    return { session, before: 0 };
  } catch (error) {
    // Another call made it since we looked: from here on it is a session like any other.
    const made = RehydrateError.is(error) && error.code === 'session_exists' ? await findSession(host, sessionId) : null;
    if (made === null) throw error;
    return asItIs(made, wishes, output);
  }
}

function asItIs(session: SessionInfo, wishes: SessionWishes, output: Output): ReadySession {
  checkWishes(session, wishes, output);
  return { session, before: session.latestSeq };
}

function checkWishes(present: SessionInfo, wishes: SessionWishes, output: Output): void {
  const { sessionId } = present;
  if (wishes.cwd !== undefined && wishes.cwd !== present.cwd) {
    throw new RehydrateError(
      'invalid_argument',
      `Session "${sessionId}" works in ${present.cwd}, not in ${wishes.cwd}, and cannot move. Leave --cwd away, or use another --session.`,
      {
        sessionId,
        cwd: present.cwd,
      },
    );
  }
  if (wishes.cwd === undefined && present.cwd !== process.cwd()) output.note(`session ${sessionId} works in ${present.cwd}`);
  const servers = new Set(present.mcpServers.map((server) => server.name));
  const others = (wishes.mcpServers ?? []).filter((server) => !servers.has(server.name)).map((server) => server.name);
  if (others.length > 0) {
    throw new RehydrateError(
      'invalid_argument',
      `Session "${sessionId}" was made without the MCP servers ${others.join(', ')}, and cannot get new ones. Use another --session.`,
      {
        sessionId,
        servers: others,
      },
    );
  }
}

/** `--mode` and `--set`. Boolean options take `true` and `false`. */
export async function applySettings(host: Host, wishes: SessionWishes): Promise<void> {
  const { sessionId } = wishes;
  if (wishes.mode !== undefined) await host.setMode(sessionId, wishes.mode);
  for (const [key, value] of wishes.settings) {
    // What kind of option it is, the agent says when it is live; resuming comes first.
    await host.resume(sessionId);
    const option = (await host.get(sessionId)).configOptions?.find((each) => each.id === key);
    const isSwitch = option?.type === 'boolean';
    if (isSwitch && value !== 'true' && value !== 'false') {
      throw new RehydrateError('invalid_argument', `The option ${key} is true or false, not “${value}”.`, { sessionId, option: key });
    }
    await host.setConfigOption(sessionId, key, isSwitch ? value === 'true' : value);
  }
}
