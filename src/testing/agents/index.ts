/** The scripted agents, for tests and demonstrations. Nothing here needs Node: `stdio.ts` and `node-store.ts`, which do, are not exported. */
export { runScriptedAgent, type ScriptedAgentOptions } from './agent.ts';
export { inProcessLauncher, type InProcessAgent, type InProcessLauncher, type InProcessOptions } from './in-process.ts';
export { scriptedAgent, type ScriptedProgram } from './scripted-agent.ts';
export { memoryStore, type SessionHead, type SessionStore, type StoredEntry, type StoredSession } from './store.ts';
export { sleeper, type Surroundings } from './surroundings.ts';
export {
  AGENT_VARIANTS,
  behaviourOf,
  FAULT_PHASES,
  isAgentVariant,
  UNKNOWN_SHAPES,
  VARIANT_DESCRIPTIONS,
  type AgentVariant,
  type Behaviour,
  type FaultPhase,
  type UnknownShape,
} from './variants.ts';
export { agentStoreName, indexedDbStore } from './idb-store.ts';
export { serveInWorker, type ServeInWorkerOptions } from './worker-agent.ts';
