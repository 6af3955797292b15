/** What stands before the name of an agent that runs behind a bridge, where sessions and links name it. */
export const BRIDGE_PREFIX = 'bridge:';

export const agentName = (key: string): string => (key.startsWith(BRIDGE_PREFIX) ? key.slice(BRIDGE_PREFIX.length) : key);
