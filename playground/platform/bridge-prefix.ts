/** Before the name of an agent behind a bridge, in sessions and links. */
export const BRIDGE_PREFIX = 'bridge:';

export const agentName = (key: string): string => (key.startsWith(BRIDGE_PREFIX) ? key.slice(BRIDGE_PREFIX.length) : key);
