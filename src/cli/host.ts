/** Opens the database of a call and a host on it, and words their errors for the command line. */
import { existsSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import path from 'node:path';
import { openHost, type OpenHostOptions } from '../adapters/node-host/index.ts';
import { openNodeSqlite } from '../adapters/node-sqlite/index.ts';
import { nodeClientServices, type StdioAgent, stdioLauncher } from '../adapters/stdio/index.ts';
import { type ErrorCode, RehydrateError } from '../engine/errors.ts';
import type { AgentLauncher, AgentProcess } from '../engine/index.ts';
import { SqlError } from '../engine/ports.ts';
import { randomId } from '../engine/random-id.ts';
import { storageError } from '../engine/storage/errors.ts';
import type { PreambleMode, ProtocolChoice, ResumePolicy } from '../engine/types.ts';
import { type Call, numberOf, one, withAbsolutePaths } from './parse.ts';

export type OpenHost = Awaited<ReturnType<typeof open>>;
/** `ownIds` has every id that this host made, among them those of its turns and permission requests. */
export type PromptingHost = Awaited<ReturnType<typeof hostOf>>;

/** Makes the host one for ACP clients, which answer the agents' requests themselves. */
export interface ServedHost {
  readonly client: null;
  readonly agents?: Readonly<Record<string, StdioAgent>>;
}

export async function hostOf(
  call: Call,
  permission: 'ask' | 'allow' | 'reject',
  env: Readonly<Record<string, string>>,
  served?: ServedHost,
) {
  const [command = '', ...args] = withAbsolutePaths(call.agent);
  // The command may differ from call to call. The one given now runs, whatever name the session has for its agent.
  const { launcher, killAll } = tracked(stdioLauncher({ agents: served?.agents ?? (() => ({ command, args })) }));
  const ownIds = new Set<string>();
  const seconds = numberOf(call, 'timeout');
  const idle = numberOf(call, 'idle');
  const opened = await open(databasePath(call), killAll, {
    newId: () => {
      const id = randomId();
      ownIds.add(id);
      return id;
    },
    limits: {
      ...(seconds === undefined ? {} : { initializeMs: seconds * 1000, sessionMs: seconds * 1000 }),
      ...(idle === undefined ? {} : { idleMs: idle * 1000 }),
    },
    agents: launcher,
    // Nobody watches a server who could close sessions, so it makes room by itself.
    ...(served ? { whenFull: 'end-idlest' } : { client: nodeClientServices() }),
    permission,
    policy: one(call, 'policy') as ResumePolicy | undefined,
    protocol: one(call, 'protocol') as ProtocolChoice | undefined,
    preamble: { mode: one(call, 'preamble') as PreambleMode | undefined },
    // The agent inherits the environment, so these are redacted even if the session was created without them.
    knownSecrets: Object.entries(env).map(([name, value]) => ({ name, value })),
  });
  return { ...opened, ownIds: ownIds as ReadonlySet<string> };
}

/** A host without agents, to read or delete sessions. It redacts those secrets whose values the environment has. */
export function openReader(file: string): Promise<OpenHost> {
  return open(file, async () => undefined, { agents: {} });
}

async function open(file: string, killAgents: () => Promise<void>, options: OpenHostOptions) {
  const explained = (error: unknown): never => {
    throw explain(error, file);
  };
  await refuseForeignDatabase(file).catch(explained);
  const host = await openHost(file, options).catch(explained);
  return {
    host,
    file,
    /** Kills every agent that this host started. Resolves when their process trees are gone. */
    killAgents,
    /** Ends everything live and closes the database. */
    close: (): Promise<void> => host.sleep().catch(explained),
  };
}

/** Refuses a file that has only another program's tables: the user has named the wrong one. (The library allows it, for programs that share theirs.) */
async function refuseForeignDatabase(file: string): Promise<void> {
  if (!existsSync(file)) return;
  const database = await openNodeSqlite(file);
  try {
    const tables = await database.query(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'`);
    const names = tables.map(({ name }) => String(name));
    if (names.length === 0 || names.some((name) => name.startsWith('acp_'))) return;
    throw new RehydrateError(
      'invalid_argument',
      `The database ${file} belongs to another program: it has the table "${names[0]}", and none of acp-rehydrate's. Nothing was changed. Name another file with --db.`,
      { file, table: names[0] },
    );
  } finally {
    await database.close();
  }
}

/** Keeps track of the running agents, so that a second Ctrl-C can kill them. */
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

/** `--db`, else `$REHYDRATE_DB`, else the XDG data directory. The XDG rules say to ignore a relative `$XDG_DATA_HOME`. */
export function databasePath(call: Call, environment: NodeJS.ProcessEnv = process.env): string {
  const named = one(call, 'db');
  if (named !== undefined) return path.resolve(named);
  const data = environment['XDG_DATA_HOME'];
  const base = data && path.isAbsolute(data) ? data : path.join(environment['HOME'] || userInfo().homedir, '.local', 'share');
  return path.join(base, 'rehydrate', 'sessions.sqlite');
}

/** Throws when access is denied, since the file may exist then or not. */
export function databaseExists(file: string): boolean {
  try {
    statSync(file);
    return true;
  } catch (error) {
    if (isMissing((error as NodeJS.ErrnoException).code)) return false;
    throw explain(new SqlError('io', (error as Error).message, { cause: error }), file);
  }
}

/** Whether an error code says that a file does not exist. Others, such as EACCES, do not tell. */
export function isMissing(code: string | undefined): boolean {
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** What to add to the engine's own advice, which does not know our options. */
const HINTS: Partial<Record<ErrorCode, string>> = {
  agent_timeout: 'The option --timeout SECONDS raises the limit.',
};

const ADVICE: Partial<Record<SqlError['kind'], string>> = {
  io: 'Check that the path is right and its directory can be read and written, or name another with --db.',
  readonly: 'Make the file writable, or name another with --db.',
  busy: 'Another process keeps it locked; try again, or end that process.',
};

/** Rewords an error of the engine or its database for the command line: with the file, which the engine does not know, and our options. */
export function explain(error: unknown, file: string): unknown {
  if (RehydrateError.is(error) && error.data['version'] !== undefined && error.data['file'] === undefined) {
    const { code, data } = error;
    return new RehydrateError(code, error.message.replace(/^The database /, `$&${file} `), { ...data, file }, { cause: error });
  }
  const hint = RehydrateError.is(error) && HINTS[error.code];
  if (hint) return new RehydrateError(error.code, `${error.message} ${hint}`, error.data, { cause: error });
  const unavailable = RehydrateError.is(error) && error.code === 'storage_unavailable' && error.data['turnId'] === undefined;
  const failure = unavailable ? error.cause : error;
  if (!(failure instanceof SqlError)) return error;
  const { cause, kind, message } = failure;
  if (kind === 'full' || kind === 'corrupt') return storageError(error, `The database ${file} cannot be used`);
  const told = cause instanceof Error ? cause.message : message.replace(`Database ${file}: `, '').split('. ')[0];
  const reason = String(told).replace(/\.$/, '');
  const advice = ADVICE[kind] ?? 'Name another with --db.';
  return new RehydrateError(
    'storage_unavailable',
    `The database ${file} cannot be used: ${reason}. ${advice}`,
    { file, kind },
    { cause: failure },
  );
}
