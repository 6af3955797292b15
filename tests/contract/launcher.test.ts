import { describe, it } from 'vitest';
import { fileURLToPath } from 'node:url';
import { startBridge } from '../../src/bridge/index.ts';
import { stdioLauncher, type StdioAgent } from '../../src/adapters/stdio/index.ts';
import { carriesMark, readProcesses } from '../../src/adapters/stdio/process-table.ts';
import { guard } from '../../src/adapters/stdio/guard.ts';
import { websocketLauncher } from '../../src/adapters/websocket/index.ts';
import { CONTRACT_AGENTS } from '../../src/testing/launcher-agent.ts';
import { agentLauncherContract, type LauncherUnderTest } from '../../src/testing/launcher-contract.ts';

const script = fileURLToPath(new URL('../support/launcher-agent-stdio.ts', import.meta.url));
const agents: Record<string, StdioAgent> = { missing: { command: '/nowhere/missing-agent' } };
for (const name of CONTRACT_AGENTS) agents[name] = { command: process.execPath, args: [script, name] };

/** Nothing but the agent that refuses to go has its time run out: it costs a fraction of a second, and the others have all they need. */
let graces: { readonly askMs: number; readonly termMs: number };
const named = (name: string, body: () => Promise<void>): unknown =>
  it(
    name,
    () => {
      graces = name.includes('does not go') ? { askMs: 300, termMs: 300 } : { askMs: 60_000, termMs: 60_000 };
      return body();
    },
    60_000,
  );

/** Counts the living processes that carry this host's mark. Only on Linux can a process's environment be read. */
const counting: Pick<LauncherUnderTest, 'alive'> =
  process.platform === 'linux'
    ? { alive: async () => (await readProcesses()).filter((entry) => !entry.zombie && carriesMark(entry.pid, guard.mark)).length }
    : {};

describe('stdio', () => {
  agentLauncherContract({
    describe,
    it: named,
    open: async () => ({
      launcher: stdioLauncher({ agents, limits: graces }),
      cwd: process.cwd(),
      ...counting,
      close: async () => undefined,
    }),
  });
});

describe('websocket over a bridge', () => {
  agentLauncherContract({
    describe,
    it: named,
    async open() {
      const bridge = await startBridge({ agents, allowMissingOrigin: true, processLimits: graces });
      return { launcher: websocketLauncher(bridge), cwd: process.cwd(), ...counting, close: () => bridge.close() };
    },
  });
});
