/** What this library calls itself to agents. A test compares the version with package.json's. */
export const NAME = 'acp-rehydrate';
export const VERSION = '0.1.0';
