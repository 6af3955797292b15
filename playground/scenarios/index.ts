/** All scenarios, in the order they are offered. The first is the one a newcomer sees. */
import type { Scenario } from './types.ts';
import { nativeResume } from './native-resume.ts';
import { loadReplay } from './load-replay.ts';
import { transcriptFallback } from './transcript-fallback.ts';
import { unknownSession } from './unknown-session.ts';
import { storeDeleted } from './store-deleted.ts';
import { lyingAgent } from './lying-agent.ts';
import { lateReplay } from './late-replay.ts';
import { crashMidTurn } from './crash-mid-turn.ts';
import { droppedConnection } from './dropped-connection.ts';
import { failedStart } from './failed-start.ts';
import { neverPrompted } from './never-prompted.ts';
import { permissionAtSleep } from './permission-at-sleep.ts';
import { strictPolicy } from './strict-policy.ts';
import { ownAgent } from './own-agent.ts';

/** No steps: the free playground every scenario ends in. */
export const free: Scenario = {
  name: 'free',
  title: 'Free play',
  watch: 'Say what you like, break what you like, and watch what comes back.',
  agent: 'native',
  bridge: true,
  policy: 'auto',
  steps: [],
  end: '',
};

export const SCENARIOS: readonly Scenario[] = [
  nativeResume,
  loadReplay,
  transcriptFallback,
  unknownSession,
  storeDeleted,
  lyingAgent,
  lateReplay,
  crashMidTurn,
  droppedConnection,
  failedStart,
  neverPrompted,
  permissionAtSleep,
  strictPolicy,
  ownAgent,
  free,
];

export function scenarioNamed(name: string | undefined): Scenario {
  return SCENARIOS.find((scenario) => scenario.name === name) ?? nativeResume;
}

export type { Scenario } from './types.ts';
