/** The database of a call, and the host on it. */
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
import { type Call, numberOf, one, whereTyped } from './parse.ts';

export type OpenHost = Awaited<ReturnType<typeof open>>;
/** `made`: every id that this host made, those of its turns and requests among them. */
export type PromptingHost = Awaited<ReturnType<typeof hostOf>>;

/** A host for ACP clients, which answer the agents' requests themselves. */
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
  const [command = '', ...args] = whereTyped(call.agent);
  // The command may differ from call to call: this one runs, whatever the session's agent is called.
  const { launcher, killAll } = tracked(stdioLauncher({ agents: served?.agents ?? (() => ({ command, args })) }));
  const made = new Set<string>();
  const [seconds, idle] = [numberOf(call, 'timeout'), numberOf(call, 'idle')];
  const opened = await open(databasePath(call), killAll, {
    newId: () => {
      const id = randomId();
      made.add(id);
      return id;
    },
    limits: {
      ...(seconds === undefined ? {} : { initializeMs: seconds * 1000, sessionMs: seconds * 1000 }),
      ...(idle === undefined ? {} : { idleMs: idle * 1000 }),
    },
    agents: launcher,
    // A server has to make room by itself.
    ...(served ? { whenFull: 'end-idlest' } : { client: nodeClientServices() }),
    permission,
    policy: one(call, 'policy') as ResumePolicy | undefined,
    protocol: one(call, 'protocol') as ProtocolChoice | undefined,
    preamble: { mode: one(call, 'preamble') as PreambleMode | undefined },
    // The agent inherits these even if the session was made without them.
    knownSecrets: Object.entries(env).map(([name, value]) => ({ name, value })),
  });
  return { ...opened, made: made as ReadonlySet<string> };
}

/** A host without agents, to read or delete. Transcripts are redacted as far as the environment has the secrets. */
export function openReader(file: string): Promise<OpenHost> {
  return open(file, async () => undefined, { agents: {} });
}

async function open(file: string, killAgents: () => Promise<void>, options: OpenHostOptions) {
  const explained = (error: unknown): never => {
    throw explain(error, file);
  };
  await refuseOthers(file).catch(explained);
  const host = await openHost(file, options).catch(explained);
  return {
    host,
    file,
    /** Kills every agent this host started, at once. Resolves when the trees are gone. */
    killAgents,
    /** Ends everything live and closes the database. */
    close: (): Promise<void> => host.sleep().catch(explained),
  };
}

/** A program may share its database with a host on purpose; a file named to the command that has only other tables is the wrong one. */
async function refuseOthers(file: string): Promise<void> {
  if (!existsSync(file)) return;
  const database = await openNodeSqlite(file);
  try {
    const tables = await database.query(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'`);
    const names = tables.map(({ name }) => String(name));
    if (names.length === 0 || names.some((name) => name.startsWith('acp_'))) return;
    throw new RehydrateError(
      'invalid_argument',
      `The database ${file} is another program's: it has the table "${names[0]}", and none of acp-rehydrate. Nothing was changed. Name another file with --db.`,
      { file, table: names[0] },
    );
  } finally {
    await database.close();
  }
}

/** Remembers the processes, so that a second Ctrl-C can end them at once. */
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

/** Throws for a file that may not be looked at, which is neither there nor missing. */
export function databaseExists(file: string): boolean {
  try {
    statSync(file);
    return true;
  } catch (error) {
    if (isMissing((error as NodeJS.ErrnoException).code)) return false;
    throw explain(new SqlError('io', (error as Error).message, { cause: error }), file);
  }
}

/** Any other error leaves open what is there. */
export function isMissing(code: string | undefined): boolean {
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** The option for what the engine advises. */
const HINTS: Partial<Record<ErrorCode, string>> = {
  agent_timeout: 'The option --timeout SECONDS raises the limit.',
};

const ADVICE: Partial<Record<SqlError['kind'], string>> = {
  io: 'Check that the path is right and its directory can be read and written, or name another with --db.',
  readonly: 'Make the file writable, or name another with --db.',
  busy: 'Another process keeps it locked; try again, or end that process.',
};

/** The error of a call in the command's words: with the file, which the engine does not know, and the options. */
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
