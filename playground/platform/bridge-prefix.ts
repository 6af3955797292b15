/** Before the name of an agent behind a bridge, in sessions and links. */
export const BRIDGE_PREFIX = 'bridge:';

export const isBridged = (key: string): boolean => key.startsWith(BRIDGE_PREFIX);

export const agentName = (key: string): string => (isBridged(key) ? key.slice(BRIDGE_PREFIX.length) : key);
