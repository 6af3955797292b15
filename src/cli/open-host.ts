/** The host of one call: its database, its agent, and what the options say. */
import path from 'node:path';
import { createHost } from '../engine/index.ts';
import type { AgentLauncher, AgentProcess, ClientServices, Host, SqlDatabase } from '../engine/index.ts';
import type { McpServer, PreambleMode, ResumePolicy } from '../engine/types.ts';
import { RehydrateError } from '../engine/errors.ts';
import { preambleFiles } from '../adapters/node-host/index.ts';
import { nodeClientServices, stdioLauncher } from '../adapters/stdio/index.ts';
import { databasePath, explain, openDatabase } from './database.ts';
import { readMcpFile } from './mcp-file.ts';
import { count, many, one, UsageError } from './parse.ts';
import type { Call } from './parse.ts';
import { sessionSecrets } from './secrets.ts';
import { whereTyped } from './where-typed.ts';

/** A host with what a call needs beside it. */
export interface OpenHost {
  readonly host: Host;
  readonly file: string;
  /** Kills every agent this host started, at once. Resolves when the trees are gone. */
  killAgents(): Promise<void>;
  /** Ends everything live and closes the database. */
  close(): Promise<void>;
}

/** What a call says about its session. */
export interface SessionWishes {
  readonly sessionId: string;
  readonly agent: string;
  readonly cwd: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly mcpServers: readonly McpServer[] | undefined;
  readonly auth: string | undefined;
  readonly mode: string | undefined;
  readonly settings: readonly (readonly [key: string, value: string])[];
}

/** Reads all that can be wrong before anything is opened or started. */
export function wishesOf(call: Call, environment: NodeJS.ProcessEnv = process.env): SessionWishes {
  const program = call.agent[0] as string;
  const names = many(call, 'env');
  const missing = names.filter((name) => environment[name] === undefined);
  if (missing.length > 0) {
    throw new RehydrateError(
      'secret_missing',
      `${missing.join(', ')} must be set in the environment (--env). No agent was started; set ${missing.length === 1 ? 'it' : 'them'} and try again.`,
      { missing },
    );
  }
  const cwd = one(call, 'cwd');
  const mcp = one(call, 'mcp');
  return {
    sessionId: one(call, 'session') ?? 'main',
    agent: path.basename(program),
    cwd: cwd === undefined ? undefined : path.resolve(cwd),
    env: Object.fromEntries(names.map((name) => [name, environment[name] as string])),
    mcpServers: mcp === undefined ? undefined : readMcpFile(mcp),
    auth: one(call, 'auth'),
    mode: one(call, 'mode'),
    settings: many(call, 'set').map((pair) => splitPair(pair)),
  };
}

function splitPair(pair: string): readonly [string, string] {
  const equals = pair.indexOf('=');
  if (equals < 1) throw new UsageError(`--set has the form KEY=VALUE, which “${pair}” has not.`);
  return [pair.slice(0, equals), pair.slice(equals + 1)];
}

/** Opens the database and a host on it that can start the call's agent. */
export async function openHost(
  call: Call,
  permission: 'ask' | 'allow' | 'reject',
  wishes: SessionWishes,
  client: ClientServices | null = nodeClientServices(),
): Promise<OpenHost> {
  const [command = '', ...args] = whereTyped(call.agent);
  // The command may differ from call to call: whatever the session's agent is called, this is it now.
  const stdio = stdioLauncher({ agents: () => ({ command, args }) });
  const { launcher, killAll } = tracked(stdio);
  const file = databasePath(call);
  const seconds = count(call, 'timeout');
  const database = await openDatabase(file);
  return openOn(database, file, killAll, {
    ...(seconds === undefined ? {} : { limits: { initializeMs: seconds * 1000, sessionMs: seconds * 1000 } }),
    agents: launcher,
    // The agent's files are this machine's: what it asks of the client stays in the session's directories.
    ...(client ? { client } : {}),
    permission,
    policy: one(call, 'policy') as ResumePolicy | undefined,
    preamble: { mode: one(call, 'preamble') as PreambleMode | undefined, files: preambleFiles({ scope: file }) },
    secrets: sessionSecrets(wishes.mcpServers ?? []),
    // A later call may name more than the session was made with: the agent inherits them all the same.
    knownSecrets: Object.entries(wishes.env).map(([name, value]) => ({ name, value })),
  });
}

/** A host that only reads, or deletes: it has no agents. Its transcripts are redacted as far as the environment has the secrets. */
export async function openReader(file: string): Promise<OpenHost> {
  const database = await openDatabase(file);
  return openOn(database, file, async () => undefined, {
    agents: {},
    preamble: { files: preambleFiles({ scope: file }) },
    secrets: sessionSecrets([]),
  });
}

async function openOn(
  database: SqlDatabase,
  file: string,
  killAgents: () => Promise<void>,
  options: Omit<Parameters<typeof createHost>[0], 'database'>,
): Promise<OpenHost> {
  try {
    const host = await createHost({ database, ...options });
    return {
      host,
      file,
      killAgents,
      async close() {
        try {
          await host.sleep();
          await database.close();
        } catch (error) {
          throw explain(error, file);
        }
      },
    };
  } catch (error) {
    await database.close();
    // Opening a host may write: it makes the tables.
    throw explain(error, file);
  }
}

/** Remembers the processes, so that a second Ctrl-C can end them without waiting for anybody. */
function tracked(inner: AgentLauncher): { readonly launcher: AgentLauncher; killAll(): Promise<void> } {
  const running = new Set<AgentProcess>();
  return {
    launcher: {
      async launch(spec, options) {
        const agent = await inner.launch(spec, options);
        running.add(agent);
        void agent.exited.then(() => running.delete(agent));
        return agent;
      },
    },
    async killAll() {
      await Promise.all([...running].map((agent) => agent.end('kill')));
    },
  };
}
