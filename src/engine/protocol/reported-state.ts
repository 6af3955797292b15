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
  const next = readState(update, known);
  if (!next) return null;
  const changed = Object.entries(next).filter(
    ([key, value]) => JSON.stringify(value) !== JSON.stringify(known[key as keyof ReportedState]),
  );
  return changed.length === 0 ? null : Object.fromEntries(changed);
}

/** What a state update says, as far as anybody can use it: null when nothing. */
type Reading = Partial<ReportedState> | typeof UNREADABLE | null;
const UNREADABLE = 'unreadable';

type Fields = Readonly<Record<string, unknown>>;

/** How each kind of state is read. One about the session without a title says nothing at all. */
const READERS: ReadonlyMap<unknown, (fields: Fields, known: ReportedState) => Reading> = new Map(
  Object.entries<(fields: Fields, known: ReportedState) => Reading>({
    available_commands_update({ availableCommands }) {
      const commands = readCommands(availableCommands);
      return commands ? { commands } : UNREADABLE;
    },
    config_option_update({ configOptions: list }) {
      const [modes, configOptions] = [modesAmong(list), readConfigOptions(list)];
      return configOptions ? { configOptions, ...(modes ? { modes } : {}) } : UNREADABLE;
    },
    // Whoever has said nothing is idle; what else the first word tells is of an earlier life.
    state_update: ({ sessionUpdate: _kind, ...activity }, known) =>
      known.activity === undefined && activity['state'] === 'idle' ? null : { activity },
    current_mode_update: ({ currentModeId }, { modes }) =>
      typeof currentModeId === 'string' ? { modes: { availableModes: [], ...modes, currentModeId } } : UNREADABLE,
    session_info_update: ({ title }) => (typeof title === 'string' || title === null ? { title } : title === undefined ? null : UNREADABLE),
    usage_update: ({ sessionUpdate: _kind, ...usage }) => ({ usage }),
  }),
);

function read(update: Fields, known: ReportedState): Reading {
  return READERS.get(update['sessionUpdate'])?.(update, known) ?? null;
}

/** What an update says of the state, new or not; null when nothing. */
export function readState(update: Fields, known = NOTHING_REPORTED): Partial<ReportedState> | null {
  const says = read(update, known);
  return says === UNREADABLE ? null : says;
}

/** Whether nobody can tell what a state update says, and so not whether it says anything new. */
export const isUnreadable = (update: Fields): boolean => read(update, NOTHING_REPORTED) === UNREADABLE;

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
