/** The built `rehydrate serve`: agents that nobody uses are ended, many sessions cost what is live of them, and its end is an orderly one. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { DEFAULT_LIMITS } from '../../../src/engine/index.ts';
import type { AgentVariant } from '../../../src/testing/agents/index.ts';
import { recordSeen } from '../../support/record.ts';
import { socketStream } from '../../support/socket-stream.ts';
import { INITIALIZE, rawClient, text, type RawClient } from '../../unit/agents/raw-client.ts';
import { build, BUILD_MS, processesWith, scratch, type Running, type Scratch } from '../cli/harness.ts';

beforeAll(build, BUILD_MS);
let at: Scratch;
beforeEach(() => {
  at = scratch();
});
afterEach(() => at.remove());

interface Served {
  readonly running: Running;
  client(): Promise<RawClient>;
}

async function serving(agent: readonly string[], ...options: string[]): Promise<Served> {
  const server = await at.serve(agent, ...options);
  return {
    running: server.running,
    async client() {
      const client = rawClient(await socketStream(server, 'demo'));
      expect((await client.request('initialize', INITIALIZE)).error).toBeUndefined();
      return client;
    },
  };
}

const demo = (variant: AgentVariant): string[] => at.agent(variant, '--pace', '0.2');
const opened = async (client: RawClient): Promise<string> =>
  (await client.request('session/new', { cwd: at.directory, mcpServers: [] })).result.sessionId;
const prompt = (client: RawClient, sessionId: string, words: string) =>
  client.request('session/prompt', { sessionId, prompt: text(words) });
/** The agents' processes. */
const agents = ({ running }: Served): number[] =>
  processesWith(at.store)
    .map((line) => Number.parseInt(line, 10))
    .filter((pid) => pid !== running.pid && isChildOf(pid, running.pid));
const isChildOf = (pid: number, parent: number): boolean =>
  existsSync(`/proc/${pid}/status`) && new RegExp(`^PPid:\\s+${parent}$`, 'm').test(readFileSync(`/proc/${pid}/status`, 'utf8'));
const ended = async (child: ChildProcess): Promise<number | null> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode;
};
const stop = async ({ running }: Served) => {
  running.child.kill('SIGTERM');
  expect(await ended(running.child)).toBe(143);
  expect(at.left()).toEqual([]);
};
/** How the last turn of each session ended, from the database alone. */
const turns = async (): Promise<string[]> => {
  const database = await openNodeSqlite(at.db, { readOnly: true });
  const rows = await database.query('SELECT state FROM acp_turns ORDER BY rowid');
  await database.close();
  return rows.map(({ state }) => String(state));
};

describe('--idle', () => {
  it('ends an agent that nobody uses, and the next prompt brings it back', async () => {
    const server = await serving(demo('native'), '--idle', '1');
    const client = await server.client();
    const sessionId = await opened(client);
    await prompt(client, sessionId, 'my cat is called Miette');
    await expect.poll(() => agents(server)).toEqual([]);
    const { result } = await prompt(client, sessionId, 'what is my cat called?');
    expect(result._meta.rehydrate.report.tier).toBe('resume');
    expect(client.said()).toContain('Miette');
    await stop(server);
  });

  // What is measured goes into a record where RECORD=1 asks for it; memory is never a test.
  const [MANY, LIVE] = process.env['RECORD'] === '1' ? [500, 20] : [12, 3];

  it(`I10: of ${MANY} sessions, only those that are used have an agent`, { timeout: 900_000 }, async () => {
    const megabytes = async (sessions: number) => {
      const server = await serving(demo('native'), '--idle', '5');
      const ids: string[] = [];
      const owner = new Map<string, RawClient>();
      let client = await server.client();
      while (ids.length < sessions) {
        if (ids.length > 0 && ids.length % 100 === 0) client = await server.client();
        const id = await opened(client);
        await prompt(client, id, `my cat is called Miette${ids.length}`);
        ids.push(id);
        owner.set(id, client);
      }
      await expect.poll(() => agents(server)).toEqual([]);
      const used = ids.slice(-LIVE);
      const answers = await Promise.all(used.map((id) => prompt(owner.get(id)!, id, 'what is my cat called?')));
      expect(answers.map(({ result }) => result._meta.rehydrate.report.tier)).toEqual(used.map(() => 'resume'));
      expect(agents(server).length).toBeLessThanOrEqual(LIVE);
      const measured = { host: memory(server.running.pid), agents: agents(server).reduce((sum, pid) => sum + memory(pid), 0) };
      await stop(server);
      return measured;
    };
    const few = await megabytes(LIVE);
    at.remove();
    at = scratch();
    const many = await megabytes(MANY);
    const words = ({ host, agents: theirs }: typeof few) => `${host} MB for the server and ${theirs} MB for its agents`;
    recordSeen('idle-memory', {
      what: `rehydrate serve with ${MANY} sessions in its database, all opened by its clients, ${LIVE} of them used now, against one with ${LIVE} of ${LIVE}`,
      seen: `${words(many)}, against ${words(few)}`,
    });
  });
});

/** Megabytes that are the process's own. */
function memory(pid: number): number {
  const [, kilobytes] = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) ?? [];
  return Math.round(Number(kilobytes) / 1024);
}

describe('more sessions than may live at once', () => {
  it('I10: the one that was idle for longest makes room, and comes back when it is used', async () => {
    // As much of an agent as is needed, and as little: there are many of them.
    const script = path.join(at.store, 'agent.sh');
    mkdirSync(at.store);
    writeFileSync(script, AGENT_OF_A_SHELL);
    const server = await serving(['bash', script]);
    const client = await server.client();
    const first = await opened(client);
    await prompt(client, first, 'hi');
    for (let i = 0; i < DEFAULT_LIMITS.liveSessions; i++) expect(await opened(client)).toMatch(/./);
    expect(agents(server).length).toBeLessThanOrEqual(DEFAULT_LIMITS.liveSessions);
    const { result } = await prompt(client, first, 'hi');
    expect(result).toMatchObject({ stopReason: 'end_turn', _meta: { rehydrate: { report: { tier: 'resume' } } } });
    await stop(server);
  });
});

const AGENT_OF_A_SHELL = `while IFS= read -r line; do
  [[ $line =~ \\"id\\":([0-9]+) ]] || continue
  id=\${BASH_REMATCH[1]}
  case $line in
    *'"initialize"'*) result='{"protocolVersion":1,"agentCapabilities":{"sessionCapabilities":{"resume":{}}}}' ;;
    *'"session/new"'*) result='{"sessionId":"'$$'"}' ;;
    *'"session/prompt"'*) result='{"stopReason":"end_turn"}' ;;
    *) result='{}' ;;
  esac
  printf '{"jsonrpc":"2.0","id":%s,"result":%s}\\n' "$id" "$result"
done
`;

describe('SIGTERM', () => {
  it('a turn is asked to end; its client hears so, and all is asleep and stored', async () => {
    const server = await serving(demo('native'));
    const client = await server.client();
    const sessionId = await opened(client);
    const running = prompt(client, sessionId, 'count to 1000000');
    await expect.poll(() => client.said()).not.toBe('');
    await stop(server);
    expect((await running).result.stopReason).toBe('cancelled');
    expect(await turns()).toEqual(['cancelled']);
  });

  it('I5, I7: a turn that does not end within the cancel grace is interrupted, and its agent is gone', async () => {
    const server = await serving(demo('stubborn'));
    const client = await server.client();
    const sessionId = await opened(client);
    const running = prompt(client, sessionId, 'hang');
    await expect.poll(turns).toEqual(['running']);
    await stop(server);
    expect(await turns()).toEqual(['interrupted']);
    expect((await running).error).toMatchObject({ data: { code: 'turn_outcome_unknown' } });
  });
});
