/**
 * Modes and configuration options. The requested settings, which the user asked for, are kept apart from what the agent last reported: a
 * refusal or a reset changes nothing of them, and they are set again after every tier.
 */
import type { SessionConfigOption } from '@agentclientprotocol/sdk';
import { RehydrateError } from '../errors.ts';
import { fieldsOf, isObject } from '../objects.ts';
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
 * The requested settings of a stored session (its column `wishes`). A record that is older than the column has only what was in force, which
 * is taken for them.
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

/** Some agents give the mode as an option, too, or only as one; in ACP v2 all do. It is one setting, whichever name it is set by. */
const modeOptionOf = ({ configOptions }: Partial<InForce>) => configOptions?.find(({ category }) => category === 'mode');

const isMode = ({ kind, id }: Setting, state: InForce): boolean => kind === 'mode' || modeOptionOf(state)?.id === id;

export function withRequested(requested: RequestedSettings, setting: Setting, state: InForce): RequestedSettings {
  const { [setting.id]: _, ...others } = requested.options;
  return isMode(setting, state)
    ? { mode: String(setting.value), options: others }
    : { ...requested, options: { ...others, [setting.id]: setting.value } };
}

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

/** The requested settings that are not in force. Options come before the mode: a model may decide which modes there are. */
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

/** After the agent accepted a setting: what it says itself, or else what was asked for. */
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

export interface RestoreDriver {
  /** What is in force by now, by the agent's answers and updates. */
  reported(): InForce;
  set(setting: Setting): Promise<Outcome<AnsweredSettings>>;
  accepted(setting: Setting, said: AnsweredSettings): void;
}

/**
 * Sets the requested settings again. They depend on each other (a model resets the effort, and refuses one that another model had), so after
 * each answer all are compared again, until nothing changes. A refused one is tried again only after another was accepted.
 */
export async function restoreSettings(requested: RequestedSettings, driver: RestoreDriver): Promise<ResumeReport['settings']> {
  const restored = new Set<string>();
  /** Why each was refused, and how many had been accepted by then. One without an answer is not tried again: each try costs the whole wait. */
  const refused = new Map<string, { readonly reason: string; readonly accepted: number | 'final' }>();
  /** Accepted ones that the agent does not list, each with its list at that time: while the list stays the same, they are in force. */
  const unlisted = new Map<string, string>();
  const listed = (): string => JSON.stringify((driver.reported().configOptions ?? []).map(({ id }) => id));
  const left = (): Setting[] =>
    settingsToRestore(requested, driver.reported()).filter((setting) => unlisted.get(keyOf(setting)) !== listed());
  let accepted = 0;
  const most = 2 * (Object.keys(requested.options).length + 1);
  while (accepted < most) {
    const setting = left().find((each) => ![accepted, 'final'].includes(refused.get(keyOf(each))?.accepted ?? -1));
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

const [MOST_OFFERED, NAME_CHARS] = [20, 60];

function offered({ kind, id }: Setting, { modes, configOptions }: ReportedState): string {
  const option = configOptions?.find((each) => each.id === id);
  const values = option ? valuesOf(option as unknown as Readonly<Record<string, unknown>>).map(({ value }) => value as string) : [];
  const [what, names] =
    kind === 'mode'
      ? ['modes', (modes?.availableModes ?? []).map((mode) => mode.id)]
      : option
        ? ['values', values]
        : ['options', (configOptions ?? []).map((each) => each.id)];
  if (names.length === 0) return option ? 'Use a value it takes.' : `It offers no ${what}.`;
  const listed = names.slice(0, MOST_OFFERED).map((name) => name.slice(0, NAME_CHARS));
  return `Its ${what}: ${listed.join(', ')}${names.length > MOST_OFFERED ? ', …' : ''}.`;
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
