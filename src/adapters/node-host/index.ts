/** A host in a Node process in one call, and its parts one by one. */
export { openHost, type OpenHostOptions } from './open-host.ts';
export { processOwners } from './owners.ts';
export { preambleFiles, type PreambleFilesOptions } from './preamble-files.ts';
export { directoryExists, sameDirectory } from './same-directory.ts';
export { processSecrets, type ProcessSecretsOptions } from './secrets.ts';
