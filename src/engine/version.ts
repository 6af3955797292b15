/** The name and version that agents are told. A test compares them with package.json. */
export const NAME = 'acp-rehydrate';
export const VERSION = '0.1.0';
