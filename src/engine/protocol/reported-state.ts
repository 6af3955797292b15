/**
 * Reads what an agent reports about a session's state. It is kept in the session's row for every later wake, so only usable entries are
 * taken: any other (null, or without an id) could break the session for good.
 */
import type { AvailableCommand, SessionConfigOption, SessionModeState } from '@agentclientprotocol/sdk';
import { isObject, objectOf, type Fields } from '../objects.ts';
import { beginning, QUOTE_CHARS } from './bounded.ts';

export interface ReportedState {
  readonly modes: SessionModeState | null;
  readonly configOptions: readonly SessionConfigOption[] | null;
  readonly commands: readonly AvailableCommand[] | null;
  readonly title: string | null;
  readonly usage: Fields | null;
  /** Whether the agent is working, and on what (ACP v2). Not stored in the row, since a new process begins idle. */
  readonly activity?: Fields;
}

export const NOTHING_REPORTED: ReportedState = { modes: null, configOptions: null, commands: null, title: null, usage: null };

/** What the update changes of the known state; null when nothing. */
export function learn(known: ReportedState, update: Fields): Partial<ReportedState> | null {
  const next = readState(update, known);
  if (!next) return null;
  const changed = Object.entries(next).filter(
    ([key, value]) => JSON.stringify(value) !== JSON.stringify(known[key as keyof ReportedState]),
  );
  return changed.length === 0 ? null : Object.fromEntries(changed);
}

interface Reading {
  /** Null when it says nothing that is kept. */
  readonly says: Partial<ReportedState> | null;
  readonly isUnreadable: boolean;
}

type Reader = (fields: Fields, known: ReportedState) => Reading;

const READERS: ReadonlyMap<unknown, Reader> = new Map<unknown, Reader>(
  Object.entries<Reader>({
    available_commands_update: ({ availableCommands: list }) => readList('commands', readCommands(list), list),
    config_option_update: ({ configOptions: list }) => {
      const modes = modesAmong(list);
      const { says, isUnreadable } = readList('configOptions', readConfigOptions(list), list);
      return { says: says && { ...says, ...(modes ? { modes } : {}) }, isUnreadable };
    },
    state_update: ({ sessionUpdate: _kind, ...activity }, known) => ({
      // An agent is idle at first, so an `idle` as its first report says nothing new.
      says: known.activity === undefined && activity['state'] === 'idle' ? null : { activity },
      isUnreadable: false,
    }),
    current_mode_update: ({ currentModeId }, { modes }) =>
      typeof currentModeId === 'string'
        ? { says: { modes: inMode(modes, currentModeId) }, isUnreadable: false }
        : { says: null, isUnreadable: true },
    session_info_update: ({ title }) =>
      typeof title === 'string' || title === null
        ? { says: { title: title && beginning(title, QUOTE_CHARS) }, isUnreadable: false }
        : { says: null, isUnreadable: title !== undefined },
    usage_update: ({ sessionUpdate: _kind, ...usage }) => ({ says: { usage }, isUnreadable: false }),
  }),
);

/** The modes, with another current one. Keeps the order of fields, since states are compared as JSON. */
export const inMode = (modes: SessionModeState | null, currentModeId: string): SessionModeState => ({
  ...(modes ?? { availableModes: [] }),
  currentModeId,
});

function readList(name: 'commands' | 'configOptions', read: readonly unknown[] | null, sent: unknown): Reading {
  return { says: read && { [name]: read }, isUnreadable: read === null || read.length !== (sent as readonly unknown[]).length };
}

function read(known: ReportedState, update: Fields): Reading {
  return READERS.get(update['sessionUpdate'])?.(update, known) ?? { says: null, isUnreadable: false };
}

export const readState = (update: Fields, known = NOTHING_REPORTED): Partial<ReportedState> | null => read(known, update).says;

/** Whether an update of state has entries that cannot be used. Such an update is always stored, since it may say something new. */
export const isUnreadable = (update: Fields): boolean => read(NOTHING_REPORTED, update).isUnreadable;

/** The entries of a list that are objects with a string under `key`. */
export function withText(list: unknown, key: string): Fields[] {
  return Array.isArray(list) ? list.filter((entry): entry is Fields => isObject(entry) && typeof entry[key] === 'string') : [];
}

export function readModes(value: unknown): SessionModeState | null {
  const modes = objectOf(value);
  if (!modes || typeof modes['currentModeId'] !== 'string') return null;
  return { ...modes, availableModes: withText(modes['availableModes'], 'id') } as unknown as SessionModeState;
}

/** Options of either version, with v1's name for the id. */
export function readConfigOptions(value: unknown): SessionConfigOption[] | null {
  if (!Array.isArray(value)) return null;
  const options = value
    .map(objectOf)
    .map((option) => (option && typeof option['configId'] === 'string' ? { id: option['configId'], ...option } : option));
  return withText(options, 'id') as unknown as SessionConfigOption[];
}

/** The usable values that an option offers, also those in groups. */
export function valuesOf(option: Fields) {
  const values = (Array.isArray(option['options']) ? option['options'] : []).flatMap((value: unknown) => {
    const group = objectOf(value)?.['options'];
    return Array.isArray(group) ? (group as unknown[]) : [value];
  });
  return withText(values, 'value');
}

/** In ACP v2 the modes are an option of the category `mode`. */
export function modesAmong(configOptions: unknown): SessionModeState | null {
  const option = withText(configOptions, 'configId').find(({ category }) => category === 'mode');
  if (!option || typeof option['currentValue'] !== 'string') return null;
  return {
    currentModeId: option['currentValue'],
    availableModes: valuesOf(option).map(({ value, name, description }) => ({
      id: value as string,
      name: typeof name === 'string' ? name : (value as string),
      ...(typeof description === 'string' ? { description } : {}),
    })),
  };
}

export function readCommands(value: unknown): AvailableCommand[] | null {
  return Array.isArray(value) ? (withText(value, 'name') as unknown as AvailableCommand[]) : null;
}
