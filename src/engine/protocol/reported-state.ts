/**
 * What an agent last reported about a session: its modes, options, commands, title and usage. Kept in the session's row to be
 * used again at every wake, so only entries that can be used are taken: one that cannot (null, no id) would stand in the
 * way of the session for ever. The log has all of it as it was sent.
 */
import type { AvailableCommand, SessionConfigOption, SessionModeState } from '@agentclientprotocol/sdk';

export interface ReportedState {
  readonly modes: SessionModeState | null;
  readonly configOptions: readonly SessionConfigOption[] | null;
  readonly commands: readonly AvailableCommand[] | null;
  readonly title: string | null;
  readonly usage: Readonly<Record<string, unknown>> | null;
  /** Whether the agent works, and on what: an agent that speaks ACP v2 says so. Not kept, since a new process begins idle. */
  readonly activity?: Readonly<Record<string, unknown>>;
}

export const NOTHING_REPORTED: ReportedState = { modes: null, configOptions: null, commands: null, title: null, usage: null };

/** What the update changes in what was reported, or null when it says nothing new. */
export function learn(known: ReportedState, update: Readonly<Record<string, unknown>>): Partial<ReportedState> | null {
  const next = read(known, update);
  if (!next) return null;
  const changed = Object.entries(next).filter(
    ([key, value]) => JSON.stringify(value) !== JSON.stringify(known[key as keyof ReportedState]),
  );
  return changed.length === 0 ? null : Object.fromEntries(changed);
}

function read(known: ReportedState, update: Readonly<Record<string, unknown>>): Partial<ReportedState> | null {
  switch (update['sessionUpdate']) {
    case 'available_commands_update': {
      const commands = readCommands(update['availableCommands']);
      return commands && { commands };
    }
    case 'current_mode_update':
      return typeof update['currentModeId'] === 'string'
        ? { modes: { availableModes: [], ...known.modes, currentModeId: update['currentModeId'] } }
        : null;
    case 'config_option_update': {
      const configOptions = readConfigOptions(update['configOptions']);
      const modes = modesAmong(update['configOptions']);
      return configOptions && { configOptions, ...(modes ? { modes } : {}) };
    }
    case 'state_update': {
      const { sessionUpdate: _kind, ...activity } = update;
      // Whoever has said nothing is idle; what else the first word tells is of an earlier life.
      return known.activity === undefined && activity['state'] === 'idle' ? null : { activity };
    }
    case 'session_info_update':
      return typeof update['title'] === 'string' || update['title'] === null ? { title: update['title'] } : null;
    case 'usage_update': {
      const { sessionUpdate: _kind, ...usage } = update;
      return { usage };
    }
    default:
      return null;
  }
}

/**
 * Whether a state update holds what nobody can use, so that what was reported cannot tell whether it says anything new. One
 * about the session without a title is none: it says nothing at all.
 */
export function isUnreadable(update: Readonly<Record<string, unknown>>): boolean {
  switch (update['sessionUpdate']) {
    case 'available_commands_update':
      return !isWhole(update['availableCommands'], 'name');
    case 'config_option_update':
      return !isWhole(update['configOptions'], 'id') && !isWhole(update['configOptions'], 'configId');
    case 'current_mode_update':
      return typeof update['currentModeId'] !== 'string';
    case 'session_info_update':
      return 'title' in update && update['title'] !== null && typeof update['title'] !== 'string';
    default:
      return false;
  }
}

export function objectOf(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
}

/** The entries of a list that are objects with a text under `key`. */
export function withText(list: unknown, key: string): Readonly<Record<string, unknown>>[] {
  return Array.isArray(list)
    ? list
        .map(objectOf)
        .filter((entry) => entry !== null && typeof entry[key] === 'string')
        .map((entry) => entry as Readonly<Record<string, unknown>>)
    : [];
}

const isWhole = (list: unknown, key: string): boolean => Array.isArray(list) && withText(list, key).length === list.length;

export function readModes(value: unknown): SessionModeState | null {
  const modes = objectOf(value);
  if (!modes || typeof modes['currentModeId'] !== 'string') return null;
  return { ...modes, availableModes: withText(modes['availableModes'], 'id') } as unknown as SessionModeState;
}

/** Options as both versions give them, with the name of v1 for their id. */
export function readConfigOptions(value: unknown): SessionConfigOption[] | null {
  if (!Array.isArray(value)) return null;
  const options = value
    .map(objectOf)
    .map((option) => (option && typeof option['configId'] === 'string' ? { id: option['configId'], ...option } : option));
  return withText(options, 'id') as unknown as SessionConfigOption[];
}

/** In ACP v2 the modes are an option of the category `mode`; null where there is none. */
export function modesAmong(configOptions: unknown): SessionModeState | null {
  const option = withText(configOptions, 'configId').find(({ category }) => category === 'mode');
  if (!option || typeof option['currentValue'] !== 'string') return null;
  const values = (Array.isArray(option['options']) ? option['options'] : []).flatMap((value: unknown) => {
    const group = objectOf(value)?.['options'];
    return Array.isArray(group) ? (group as unknown[]) : [value];
  });
  return {
    currentModeId: option['currentValue'],
    availableModes: withText(values, 'value').map(({ value, name, description }) => ({
      id: value as string,
      name: typeof name === 'string' ? name : (value as string),
      ...(typeof description === 'string' ? { description } : {}),
    })),
  };
}

export function readCommands(value: unknown): AvailableCommand[] | null {
  return Array.isArray(value) ? (withText(value, 'name') as unknown as AvailableCommand[]) : null;
}
