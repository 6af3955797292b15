/** What helps to test hosts and adapters: the scripted agents, and one contract suite for each port. */
export * from './agents/index.ts';
export { sqlDatabaseContract, type SqlContractOptions, type SqlSubject } from './sql-contract.ts';
