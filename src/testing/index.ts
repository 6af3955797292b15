/** What helps to test hosts and adapters: the scripted agents, and one contract suite for each port. */
export * from './agents/index.ts';
export { sqlDatabaseContract, type SqlContractOptions, type SqlSubject } from './sql-contract.ts';
export { agentLauncherContract, type LauncherContract, type LauncherUnderTest } from './launcher-contract.ts';
export { CONTRACT_AGENTS, contractAgent, type ContractAgent, type ContractWire } from './launcher-agent.ts';
