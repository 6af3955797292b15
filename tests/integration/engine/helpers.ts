import { it, onTestFinished } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import {
  createHost,
  type AgentLauncher,
  type Host,
  type HostOptions,
  type SessionEvent,
  type SqlDatabase,
} from '../../../src/engine/index.ts';
import { inProcessLauncher, type AgentVariant, type InProcessLauncher } from '../../../src/testing/agents/index.ts';
import { PROTOCOL } from '../../support/protocol.ts';

/** All the time an agent may need on a busy machine. A test of a hang says what is to run out. */
export const PATIENT = {
  initializeMs: 60_000,
  sessionMs: 60_000,
  settingMs: 60_000,
  listMs: 60_000,
  cancelGraceMs: 60_000,
  replayQuietMs: 250,
  replayMaxMs: 60_000,
} as const;

/** A test of what v2 has not: files of the client, an agent without resume or list, frames as v1 has them. */
export const itInV1 = PROTOCOL === 'v1' ? it : it.skip;

export interface World<Agents extends AgentLauncher = InProcessLauncher> {
  readonly db: SqlDatabase;
  readonly agents: Agents;
  /** A host on the database, as a wake makes one. */
  wake(options?: Partial<HostOptions>): Promise<Host>;
}

/** One database and one agent with a store of its own: what outlives a host. */
export const world = (variant: AgentVariant = 'native', agents = inProcessLauncher({ variant })): Promise<World> => worldOf(agents);

export async function worldOf<Agents extends AgentLauncher>(agents: Agents): Promise<World<Agents>> {
  const db = await openNodeSqlite(':memory:');
  const hosts: Host[] = [];
  onTestFinished(async () => {
    for (const host of hosts) await host.sleep();
    await db.close();
  });
  return {
    db,
    agents,
    async wake(options = {}) {
      const host = await createHost({ database: db, agents, limits: PATIENT, protocol: PROTOCOL, ...options });
      hosts.push(host);
      return host;
    },
  };
}

/** What the agent said in a turn, in one string. */
export function said(events: readonly SessionEvent[], turnId?: string): string {
  return events
    .map((event) => {
      if (event.kind !== 'update' || (turnId !== undefined && event.turnId !== turnId)) return '';
      const update = event.payload;
      return update.sessionUpdate === 'agent_message_chunk' && update.content.type === 'text' ? update.content.text : '';
    })
    .join('');
}

export async function ask(host: Host, sessionId: string, text: string): Promise<string> {
  const { turnId } = await host.prompt(sessionId, text);
  return said(await host.history(sessionId), turnId);
}

/** Waits for what a test expects to come by itself. */
export async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  for (const deadline = Date.now() + 45_000; ; await new Promise((resolve) => setTimeout(resolve, 5))) {
    if (await condition()) return;
    if (Date.now() > deadline) throw new Error('it never came to be');
  }
}

export const CWD = '/tmp';

/** One host on a database of its own, in whose way `wrap` may stand. */
export async function hostOf(
  agents: AgentLauncher,
  options: Partial<HostOptions> = {},
  wrap: (db: SqlDatabase) => SqlDatabase = (db) => db,
) {
  const db = await openNodeSqlite(':memory:');
  const host = await createHost({ database: wrap(db), agents, limits: PATIENT, protocol: PROTOCOL, ...options });
  onTestFinished(async () => {
    await host.sleep();
    await db.close();
  });
  return { host, db };
}
