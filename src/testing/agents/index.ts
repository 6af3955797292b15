/** The scripted agents, for tests and demonstrations. Nothing here needs Node; `stdio` and `node-store` are files of their own. */
export { runScriptedAgent } from './agent.ts';
export type { ScriptedAgentOptions } from './agent.ts';
export { inProcessLauncher } from './in-process.ts';
export type { InProcessAgent, InProcessLauncher, InProcessOptions } from './in-process.ts';
export { scriptedAgent, type ScriptedProgram } from './scripted-agent.ts';
export { memoryStore } from './store.ts';
export type { SessionHead, SessionStore, StoredEntry, StoredSession } from './store.ts';
export { sleeper } from './surroundings.ts';
export type { Surroundings } from './surroundings.ts';
export { AGENT_VARIANTS, behaviourOf, FAULT_PHASES, isAgentVariant, UNKNOWN_SHAPES, VARIANT_DESCRIPTIONS } from './variants.ts';
export type { AgentVariant, Behaviour, FaultPhase, UnknownShape } from './variants.ts';
export { agentStoreName, indexedDbStore } from './idb-store.ts';
export { serveInWorker } from './worker-agent.ts';
export type { ServeInWorkerOptions } from './worker-agent.ts';
