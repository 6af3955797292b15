import { defineConfig } from 'vitest/config';

// How long a test may take on a machine that is busy with others, and slow; ten times as many faults take ten times as long.
const MINUTE_MS = 60_000;
const FAULTS = process.env['FAULTS'];
const FAULTS_MINUTES = FAULTS === 'full' ? 120 : 12;

/** The whole engine, with agents in the same process. */
const ENGINE = ['integration/engine', 'integration/model'];

/** What holds in both versions of ACP is run once more with agents and clients that speak v2, in two ways of reaching them. */
const IN_V2 = [...ENGINE, 'contract/server/memory', 'contract/server/connect', 'contract/worker.test'];
/** Their agents say the frames of one version, whatever they are asked for, or they name the version themselves. */
const IN_ONE =
  'after-the-answer,agent-asks,agent-side,hostile,limits-named,misuse,odd-shapes,passed-on,prompt-refusals,real-agents,recorded,refused-prompt,secret-answers,upgrades,v2';
const FAULTS_IN_V2 = ['faults/engine-kill', 'faults/server'];

const project = (
  name: string,
  parts: readonly string[],
  minutes: number,
  more: { env?: Record<string, string>; exclude?: string[]; isolate?: boolean } = {},
) => ({
  test: {
    ...more,
    environment: 'node' as const,
    name,
    include: parts.map((part) => `tests/${part}{,/**/*,*}.test.{ts,mjs}`),
    testTimeout: minutes * MINUTE_MS,
    hookTimeout: 3 * MINUTE_MS,
    // What is waited for comes in its time; a second is Vitest's own bound.
    expect: { poll: { timeout: 1.5 * MINUTE_MS } },
  },
});

export default defineConfig({
  test: {
    projects: [
      // A process for each of many small files is a good third of what they cost.
      project('unit', ['unit'], 4, { isolate: false }),
      project('engine', ENGINE, 4, { isolate: false }),
      project('integration', ['integration'], 4, { exclude: ENGINE.map((part) => `tests/${part}/**`) }),
      project('contract', ['contract'], 4),
      project('v2', IN_V2, 4, { env: { ACP: 'v2' }, exclude: [`**/engine/{${IN_ONE}}.test.ts`], isolate: false }),
      project('faults', ['faults'], FAULTS_MINUTES),
      // Of those that kill hosts, few.
      project('faults-v2', FAULTS_IN_V2, FAULTS_MINUTES, { env: { ACP: 'v2', FAULTS: FAULTS ?? 'few' } }),
    ],
  },
});
