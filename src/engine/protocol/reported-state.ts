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
      return configOptions && { configOptions };
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
      return !isWhole(update['configOptions'], 'id');
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

export function readConfigOptions(value: unknown): SessionConfigOption[] | null {
  return Array.isArray(value) ? (withText(value, 'id') as unknown as SessionConfigOption[]) : null;
}

export function readCommands(value: unknown): AvailableCommand[] | null {
  return Array.isArray(value) ? (withText(value, 'name') as unknown as AvailableCommand[]) : null;
}
