/** What a Node host is usually made of, in one call. */
import path from 'node:path';
import { checkOptions } from '../../engine/check-options.ts';
import { invalid } from '../../engine/errors.ts';
import { configure, HOST_OPTIONS, type HostOptions } from '../../engine/sessions/config.ts';
import { createHost } from '../../engine/sessions/create-host.ts';
import type { Host } from '../../engine/sessions/host.ts';
import type { AgentLauncher, SqlDatabase } from '../../engine/ports.ts';
import { storageError } from '../../engine/storage/errors.ts';
import { openNodeSqlite, type NodeSqliteOptions } from '../node-sqlite/index.ts';
import { checkAgents, stdioLauncher, type StdioAgent } from '../stdio/launcher.ts';
import { preambleFiles } from './preamble-files.ts';
import { directoryExists, sameDirectory } from './same-directory.ts';
import { processSecrets } from './secrets.ts';

export interface OpenHostOptions extends Omit<HostOptions, 'database' | 'agents'>, NodeSqliteOptions {
  /** One launcher for all agents, or by name how each is run: its command, or a launcher of its own. */
  readonly agents: AgentLauncher | Readonly<Record<string, StdioAgent | AgentLauncher>>;
}

/**
 * A host on a database file: `openNodeSqlite` for the file, `stdioLauncher` for the agents, `processSecrets()` for what is not stored,
 * `preambleFiles()` for preambles of mode `file`, this machine's process table for other processes' leases, `sameDirectory` and
 * `directoryExists`. Options that are given replace these. `sleep` also closes the database.
 *
 * Errors: those of `createHost`, and `storage_unavailable`, `storage_full`, `database_corrupt` when the file cannot be opened.
 *
 * @example
 * const host = await openHost('sessions.sqlite', { agents: { mine: { command: 'your-acp-agent' } } });
 * const { sessionId } = await host.open('work', { agent: 'mine', cwd: process.cwd() });
 */
export async function openHost(file: string, options: OpenHostOptions): Promise<Host> {
  if (typeof file !== 'string' || file === '') throw invalid('openHost needs the path of the database file, or :memory:.');
  checkOptions('openHost', options, [...HOST_OPTIONS.filter((name) => name !== 'database'), 'powerLossSafe', 'readOnly', 'busyTimeoutMs']);
  const { readOnly, powerLossSafe, busyTimeoutMs, agents, preamble, ...rest } = { ...options };
  const given = {
    secrets: processSecrets(),
    sameDirectory,
    directoryExists,
    ...whatIsGiven(rest),
    preamble: {
      files: preambleFiles({ scope: path.resolve(file) }),
      ...(typeof preamble === 'string' ? { mode: preamble } : whatIsGiven(preamble)),
    },
    agents: launchersOf(agents),
  };
  // Checks the options before the file is created.
  configure({ ...given, database: NO_DATABASE });
  try {
    const database = await openNodeSqlite(file, { readOnly, powerLossSafe, busyTimeoutMs });
    try {
      const host = await createHost({ ...given, database });
      let asleep: Promise<void> | undefined;
      return { ...host, sleep: () => (asleep ??= host.sleep().finally(() => database.close())) };
    } catch (error) {
      await database.close();
      throw error;
    }
  } catch (error) {
    throw storageError(error, `The database ${file} cannot be opened`);
  }
}

const none = () => Promise.reject(new Error('there is no database yet'));
const NO_DATABASE: SqlDatabase = { query: none, batch: none, close: none };

function whatIsGiven<T extends object>(options: T | undefined): Partial<T> {
  return Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== undefined)) as Partial<T>;
}

/** All commands share one launcher, and so one guard process. */
function launchersOf(agents: OpenHostOptions['agents']): HostOptions['agents'] {
  if (typeof agents !== 'object' || agents === null) throw invalid('openHost needs agents: { NAME: { command, args } }.');
  if (isLauncher(agents)) return agents;
  const commands: Record<string, StdioAgent> = {};
  const stdio = stdioLauncher({ agents: commands });
  return Object.fromEntries(
    Object.entries(agents).map(([name, agent]) => {
      if (isLauncher(agent)) return [name, agent];
      checkAgents({ [name]: agent });
      commands[name] = agent;
      return [name, stdio];
    }),
  );
}

function isLauncher(agent: object): agent is AgentLauncher {
  return typeof (agent as Partial<AgentLauncher> | null)?.launch === 'function';
}
