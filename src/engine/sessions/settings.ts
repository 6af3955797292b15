/**
 * Modes and configuration options. What the user asked for (requested settings) is kept apart from what the agent last reported: a refusal
 * or a reset does not change it, and it is set again after every tier.
 */
import type { SessionConfigOption } from '@agentclientprotocol/sdk';
import { RehydrateError } from '../errors.ts';
import { fieldsOf, isObject, type Fields } from '../objects.ts';
import type { AnsweredSettings, Setting } from '../protocol/agent-protocol.ts';
import { describeError, type Failure, type Outcome } from '../protocol/connection.ts';
import { inMode, valuesOf, type ReportedState } from '../protocol/reported-state.ts';
import type { LastKnown } from '../storage/statements.ts';
import type { ResumeReport, SessionInfo } from '../types.ts';

export interface RequestedSettings {
  readonly mode: string | null;
  readonly options: Readonly<Record<string, string | boolean>>;
}

export const NOTHING_REQUESTED: RequestedSettings = { mode: null, options: {} };

/**
 * The requested settings of a stored session, from its column `wishes`. In a record older than the column, what was in force counts as
 * requested.
 */
export function requestedOf(info: Pick<SessionInfo, 'modes' | 'configOptions'>, stored: unknown): RequestedSettings {
  if (isObject(stored)) {
    const { mode, options } = stored;
    return { mode: typeof mode === 'string' ? mode : null, options: usable(Object.entries(fieldsOf(options))) };
  }
  return {
    mode: info.modes?.currentModeId ?? null,
    options: usable((info.configOptions ?? []).map(({ id, currentValue }) => [id, currentValue])),
  };
}

const usable = (entries: readonly (readonly [string, unknown])[]): Record<string, string | boolean> =>
  Object.fromEntries(
    entries.filter((entry): entry is [string, string | boolean] => typeof entry[1] === 'string' || typeof entry[1] === 'boolean'),
  );

type InForce = Pick<ReportedState, 'modes' | 'configOptions'>;

/** Some agents report the mode as an option, too, or only as one; in ACP v2 all do. Either way it is one setting. */
const modeOptionOf = ({ configOptions }: Partial<InForce>) => configOptions?.find(({ category }) => category === 'mode');

const isMode = ({ kind, id }: Setting, state: InForce): boolean => kind === 'mode' || modeOptionOf(state)?.id === id;

export function withRequested(requested: RequestedSettings, setting: Setting, state: InForce): RequestedSettings {
  const { [setting.id]: _, ...others } = requested.options;
  return isMode(setting, state)
    ? { mode: String(setting.value), options: others }
    : { ...requested, options: { ...others, [setting.id]: setting.value } };
}

/** The mode to which a report changes; null when the mode stays. */
export function modeChange(said: Partial<InForce>, before: InForce): string | null {
  const mode = said.modes?.currentModeId;
  if (mode !== undefined && mode !== before.modes?.currentModeId) return mode;
  const option = modeOptionOf(said);
  return option && option.currentValue !== modeOptionOf(before)?.currentValue ? String(option.currentValue) : null;
}

export function reportedColumns(state: Partial<ReportedState>): LastKnown {
  return {
    ...('modes' in state ? { modes: state.modes } : {}),
    ...('configOptions' in state ? { config_options: state.configOptions } : {}),
    ...('commands' in state ? { commands: state.commands } : {}),
    ...('title' in state ? { title: state.title ?? null } : {}),
    ...('usage' in state ? { usage: state.usage } : {}),
  };
}

/** The requested settings that are not in force. Options come before the mode, since the model may decide which modes there are. */
function settingsToRestore(requested: RequestedSettings, now: InForce): Setting[] {
  const current = new Map((now.configOptions ?? []).map((option) => [option.id, option]));
  const { mode } = requested;
  const asOption = modeOptionOf(now);
  const settings: Setting[] = [];
  for (const [id, value] of Object.entries(requested.options)) {
    if (current.get(id)?.currentValue !== value && (mode === null || id !== asOption?.id)) settings.push({ id, kind: 'option', value });
  }
  if (mode !== null && now.modes?.currentModeId !== mode && asOption?.currentValue !== mode)
    settings.push(asOption && !now.modes ? { id: asOption.id, kind: 'option', value: mode } : { id: 'mode', kind: 'mode', value: mode });
  return settings;
}

export function withAnswer<T extends InForce>(state: T, said: AnsweredSettings): T {
  return {
    ...state,
    modes: said.modes ?? state.modes,
    configOptions: said.configOptions ?? state.configOptions,
    ...(said.commands ? { commands: said.commands } : {}),
  };
}

/** The state after the agent accepted a setting: as its answer says, or else as it was asked for. */
export function withSetting<T extends InForce>(state: T, setting: Setting, said: AnsweredSettings): T {
  const { kind, value } = setting;
  const mode = isMode(setting, state);
  const id = mode ? modeOptionOf(state)?.id : setting.id;
  const modes = mode && (kind === 'mode' || state.modes) ? inMode(state.modes, String(value)) : state.modes;
  const differs = state.configOptions?.some((option) => option.id === id && option.currentValue !== value);
  const configOptions = differs
    ? (state.configOptions ?? []).map((option) => (option.id === id ? ({ ...option, currentValue: value } as SessionConfigOption) : option))
    : state.configOptions;
  return withAnswer({ ...state, modes, configOptions }, said);
}

interface RestoreDriver {
  reported(): InForce;
  set(setting: Setting): Promise<Outcome<AnsweredSettings>>;
  accepted(setting: Setting, said: AnsweredSettings): void;
}

/**
 * Sets the requested settings again. They depend on each other: a model may reset the effort, or refuse one that another model has. So
 * after each answer all are compared again, until nothing changes. A refused one is tried again only after another was accepted.
 */
export async function restoreSettings(requested: RequestedSettings, driver: RestoreDriver): Promise<ResumeReport['settings']> {
  const restored = new Set<string>();
  /**
   * Why each was refused, and how many had been accepted by then. `final`: there was no answer, and another try would cost the whole wait
   * again.
   */
  const refused = new Map<string, { readonly reason: string; readonly accepted: number | 'final' }>();
  /**
   * Accepted options that the agent does not list, with its list at that time. They count as in force for as long as that stays the same.
   */
  const unlisted = new Map<string, string>();
  const listed = (): string => JSON.stringify((driver.reported().configOptions ?? []).map(({ id }) => id));
  const left = (): Setting[] =>
    settingsToRestore(requested, driver.reported()).filter((setting) => unlisted.get(keyOf(setting)) !== listed());
  let accepted = 0;
  const most = 2 * (Object.keys(requested.options).length + 1);
  while (accepted < most) {
    const setting = left().find((candidate) => ![accepted, 'final'].includes(refused.get(keyOf(candidate))?.accepted ?? -1));
    if (!setting) break;
    const outcome = await driver.set(setting);
    if (outcome.kind === 'answered') {
      driver.accepted(setting, outcome.value);
      accepted += 1;
      restored.add(setting.id);
      const { configOptions } = driver.reported();
      if (setting.kind === 'option' && !configOptions?.some(({ id }) => id === setting.id)) unlisted.set(keyOf(setting), listed());
    } else refused.set(keyOf(setting), { reason: reasonOf(outcome), accepted: outcome.kind === 'refused' ? accepted : 'final' });
    if (outcome.kind === 'ended') break;
  }
  const failed = new Map(
    left().map((setting) => [
      setting.id,
      refused.get(keyOf(setting))?.reason ?? 'the agent accepted it, and then went back to another value',
    ]),
  );
  return {
    restored: [...restored].filter((id) => !failed.has(id)),
    failed: [...failed].map(([id, reason]) => ({ id, reason })),
  };
}

const keyOf = ({ kind, id }: Setting): string => `${kind} ${id}`;

export function settingError(sessionId: string, setting: Setting, failure: Failure, reported: ReportedState): RehydrateError {
  const code = failure.kind === 'refused' ? 'invalid_argument' : failure.kind === 'hung' ? 'agent_timeout' : 'agent_exited';
  return new RehydrateError(
    code,
    `The agent of session "${sessionId}" did not set ${setting.id} to ${JSON.stringify(setting.value)}: ${reasonOf(failure)}. ${offered(setting, reported)}`,
    { sessionId, setting: setting.id, ...(failure.kind === 'refused' ? { error: failure.error } : {}) },
  );
}

const MOST_NAMES = 20;
const NAME_CHARS = 60;

function offered({ kind, id }: Setting, { modes, configOptions }: ReportedState): string {
  const option = configOptions?.find((candidate) => candidate.id === id);
  if (kind === 'mode' && (modes || !option)) return listed('modes', modes?.availableModes ?? []);
  if (!option) return listed('options', configOptions ?? []);
  const values = valuesOf(option as unknown as Fields).map(({ value }) => ({ id: value as string }));
  return values.length === 0 ? 'Use a value it takes.' : listed('values', values);
}

function listed(what: string, entries: readonly { readonly id: string }[]): string {
  if (entries.length === 0) return `It offers no ${what}.`;
  const names = entries.slice(0, MOST_NAMES).map(({ id }) => id.slice(0, NAME_CHARS));
  return `Its ${what}: ${names.join(', ')}${entries.length > MOST_NAMES ? ', …' : ''}.`;
}

function reasonOf(failure: Failure): string {
  switch (failure.kind) {
    case 'refused':
      return describeError(failure.error);
    case 'hung':
      return `no answer within ${failure.afterMs / 1000} s`;
    case 'ended':
      return 'the agent ended';
  }
}
