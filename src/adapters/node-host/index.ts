/** What a host needs from the Node process and the machine it lives on. */
export { processOwners } from './owners.ts';
export { preambleFiles, type PreambleFilesOptions } from './preamble-files.ts';
export { sameDirectory } from './same-directory.ts';
export { processSecrets, type ProcessSecretsOptions } from './secrets.ts';
