/** A model, an OpenCode with a home of its own, a database, and hosts that come and go. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { preambleFiles } from '../../../src/adapters/node-host/index.ts';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { stdioLauncher } from '../../../src/adapters/stdio/index.ts';
import { createHost, type AgentLauncher, type Host, type SessionEvent, type SqlDatabase } from '../../../src/engine/index.ts';
import type { HostOptions } from '../../../src/engine/index.ts';
import { startModel, textOf, type ModelRequest, type ModelServer } from './model.ts';
import { openCodeHome, type OpenCodeHome, type OpenCodeOptions } from './opencode.ts';
import { processesIn } from './processes.ts';

export interface World {
  readonly model: ModelServer;
  readonly opencode: OpenCodeHome;
  readonly file: string;
  /** Opens a host on the database, as after a restart. */
  wake(options?: Partial<HostOptions>): Promise<Host>;
  /** Ends the host and closes its database, as at the end of a process. */
  sleep(host: Host): Promise<void>;
  /** Keeps what there is while nothing runs, OpenCode's store and the database; what it gives brings all of it back. */
  keep(): Promise<() => Promise<void>>;
  end(): Promise<void>;
}

export async function startWorld(options: Omit<OpenCodeOptions, 'baseUrl'> = {}): Promise<World> {
  const model = await startModel();
  const opencode = await openCodeHome({ baseUrl: model.baseUrl, ...options });
  const directory = await mkdtemp(path.join(os.tmpdir(), 'rehydrate-opencode-db-'));
  const file = path.join(directory, 'sessions.sqlite');
  const databases = new Map<Host, SqlDatabase>();

  const launcher = stdioLauncher({
    agents: { opencode: { command: opencode.program, args: opencode.args, env: opencode.env } },
    inheritEnv: false,
  });
  const sleep = async (host: Host): Promise<void> => {
    await host.sleep();
    await databases.get(host)?.close();
    databases.delete(host);
  };
  return {
    model,
    opencode,
    file,
    async wake(more = {}) {
      const database = await openNodeSqlite(file);
      const files = preambleFiles({ directory: path.join(directory, 'preambles') });
      const host = await createHost({ database, agents: launcher, preamble: { files }, permission: 'allow', ...more });
      databases.set(host, database);
      return host;
    },
    sleep,
    async keep() {
      const places = [opencode.home, directory];
      const kept = (place: string): string => `${place}.kept`;
      for (const place of places) await cp(place, kept(place), { recursive: true });
      return async () => {
        for (const host of [...databases.keys()]) await sleep(host);
        for (const place of places) {
          await rm(place, { recursive: true, force: true, maxRetries: 5 });
          await cp(kept(place), place, { recursive: true });
        }
      };
    },
    async end() {
      for (const host of [...databases.keys()]) await sleep(host);
      await rm(`${directory}.kept`, { recursive: true, force: true });
      await model.close();
      await opencode.remove();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The pid of the running OpenCode; there must be exactly one tree. */
export function openCodePid({ opencode }: World): number {
  const [first] = processesIn(opencode.home).filter(({ command }) => command.includes(' acp'));
  if (!first) throw new Error('No OpenCode is running.');
  return first.pid;
}

/** Hides capabilities, as if this were an OpenCode without them. */
export function without(launcher: AgentLauncher, capability: 'resume'): AgentLauncher {
  return {
    async launch(spec, options) {
      const agent = await launcher.launch(spec, options);
      const hide = new TransformStream({
        transform(message: { result?: { agentCapabilities?: { sessionCapabilities?: Record<string, unknown> } } }, controller) {
          delete message.result?.agentCapabilities?.sessionCapabilities?.[capability];
          controller.enqueue(message);
        },
      });
      return {
        ...agent,
        exited: agent.exited,
        end: (how) => agent.end(how),
        diagnostics: () => agent.diagnostics(),
        stream: { writable: agent.stream.writable, readable: agent.stream.readable.pipeThrough(hide as never) },
      };
    },
  };
}

export const updatesOf = (events: readonly SessionEvent[], kind: string): Record<string, unknown>[] =>
  events.flatMap((event) =>
    event.kind === 'update' && event.payload.sessionUpdate === kind ? [event.payload as unknown as Record<string, unknown>] : [],
  );

/** The user's messages of a request to the model, oldest first. */
export const userMessages = (request: ModelRequest | undefined): string[] =>
  (request?.messages ?? []).filter(({ role }) => role === 'user').map(textOf);
