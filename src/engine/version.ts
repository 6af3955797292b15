/** What agents are told. A test compares it with package.json. */
export const NAME = 'acp-rehydrate';
export const VERSION = '0.1.0';
