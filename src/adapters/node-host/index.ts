/** What a host needs to know about the Node process it lives in. */
export { processOwners } from './owners.ts';
