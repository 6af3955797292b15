/** For tests of hosts and adapters: the scripted agents, and a contract suite for each port. */
export * from './agents/index.ts';
export { sqlDatabaseContract, type SqlAbilities, type SqlContractOptions, type SqlSubject } from './sql-contract.ts';
/** What an adapter of `SqlDatabase` needs to check a statement before it runs, and to classify SQLite's errors. */
export { kindOfCode } from '../engine/sql-codes.ts';
export { parameterProblem, statementProblem, statementShape, type StatementShape } from '../engine/sql-text.ts';
export { agentLauncherContract, type LauncherContract, type LauncherUnderTest } from './launcher-contract.ts';
export { CONTRACT_AGENTS, contractAgent, type ContractAgent, type ContractWire } from './launcher-agent.ts';
