/** `agent.ts` and `host.ts`, each as one file, as scripts/build-lib.mjs makes them. */
import path from 'node:path';

const program = (name: string) => path.resolve(import.meta.dirname, '../../../.setup/testing', name);

export const AGENT_FILE = program('agents/noting.js');
export const HOST_FILE = program('host.js');
