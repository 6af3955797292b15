/**
 * Modes and configuration options. What the user asked for (the wishes) is kept apart from what the agent last reported: a
 * refusal or a reset never becomes a wish, and a wish is set again after every tier.
 */
import type { SessionConfigOption } from '@agentclientprotocol/sdk';
import { RehydrateError } from '../errors.ts';
import type { AnsweredSettings, Setting } from '../protocol/agent-protocol.ts';
import { describeError, type Failure, type Outcome } from '../protocol/connection.ts';
import type { ReportedState } from '../protocol/reported-state.ts';
import type { LastKnown } from '../storage/statements.ts';
import type { ResumeReport, SessionInfo } from '../types.ts';

/** What the user last asked for. */
export interface Wishes {
  readonly mode: string | null;
  readonly options: Readonly<Record<string, string | boolean>>;
}

export const NO_WISHES: Wishes = { mode: null, options: {} };

/**
 * The wishes of a stored session. A record that is older than wishes knows only what was in force: then that is what was
 * wished for.
 */
export function wishesOf(info: Pick<SessionInfo, 'modes' | 'configOptions'>, stored: unknown): Wishes {
  if (typeof stored === 'object' && stored !== null) {
    const { mode, options } = stored as { mode?: unknown; options?: unknown };
    return {
      mode: typeof mode === 'string' ? mode : null,
      options: typeof options === 'object' && options !== null ? usable(Object.entries(options)) : {},
    };
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

export function withWish(wishes: Wishes, setting: Setting): Wishes {
  return setting.kind === 'mode'
    ? { ...wishes, mode: setting.value }
    : { ...wishes, options: { ...wishes.options, [setting.id]: setting.value } };
}

/** What the agent reported, as columns of the session's row. */
export function reportedColumns(state: Partial<ReportedState>): LastKnown {
  return {
    ...('modes' in state ? { modes: state.modes } : {}),
    ...('configOptions' in state ? { config_options: state.configOptions } : {}),
    ...('commands' in state ? { commands: state.commands } : {}),
    ...('title' in state ? { title: state.title ?? null } : {}),
    ...('usage' in state ? { usage: state.usage } : {}),
  };
}

/** The wishes that are not in force. Options come before the mode: a model may decide which modes there are. */
function settingsToRestore(wishes: Wishes, now: Pick<ReportedState, 'modes' | 'configOptions'>): Setting[] {
  const current = new Map((now.configOptions ?? []).map((option) => [option.id, option]));
  const settings: Setting[] = [];
  for (const [id, value] of Object.entries(wishes.options)) {
    if (now.configOptions === null || current.get(id)?.currentValue !== value) settings.push({ id, kind: 'option', value });
  }
  const { mode } = wishes;
  // Some agents give the mode as an option, too, and then do not report it twice.
  const asOption = now.configOptions?.find((option) => option.category === 'mode');
  if (mode !== null && now.modes?.currentModeId !== mode && asOption?.currentValue !== mode)
    settings.push({ id: 'mode', kind: 'mode', value: mode });
  return settings;
}

/** What an answer with modes, options and commands makes of what was reported. */
export function withAnswer<T extends Pick<ReportedState, 'modes' | 'configOptions'>>(state: T, said: AnsweredSettings): T {
  return {
    ...state,
    modes: said.modes ?? state.modes,
    configOptions: said.configOptions ?? state.configOptions,
    ...(said.commands ? { commands: said.commands } : {}),
  };
}

/** What is in force once the agent accepted a setting: its own word where it gives it, else what was asked. */
export function withSetting<T extends Pick<ReportedState, 'modes' | 'configOptions'>>(
  state: T,
  setting: Setting,
  said: AnsweredSettings,
): T {
  if (setting.kind === 'mode') {
    return withAnswer({ ...state, modes: { availableModes: [], ...state.modes, currentModeId: setting.value } }, said);
  }
  const assumed =
    state.configOptions?.map((option) =>
      option.id === setting.id ? ({ ...option, currentValue: setting.value } as SessionConfigOption) : option,
    ) ?? null;
  return withAnswer({ ...state, configOptions: assumed }, said);
}

export interface RestoreDriver {
  /** What is in force, as the agent's answers and updates have it by now. */
  reported(): Pick<ReportedState, 'modes' | 'configOptions'>;
  set(setting: Setting): Promise<Outcome<AnsweredSettings>>;
  accepted(setting: Setting, said: AnsweredSettings): void;
}

/**
 * Sets the wishes again. They hang together (a model resets the effort, and refuses one that another model had), so after
 * each answer all are compared again, until nothing changes; each is tried again only after another was accepted.
 */
export async function restoreWishes(wishes: Wishes, driver: RestoreDriver): Promise<ResumeReport['settings']> {
  const restored = new Set<string>();
  /** Why each was refused, and after how many that were accepted; one that was not answered is not asked for again, since each time costs the whole wait. */
  const refused = new Map<string, { readonly reason: string; readonly accepted: number | 'final' }>();
  let accepted = 0;
  const most = 2 * (Object.keys(wishes.options).length + 1);
  while (accepted < most) {
    const setting = settingsToRestore(wishes, driver.reported()).find(
      (each) => ![accepted, 'final'].includes(refused.get(keyOf(each))?.accepted ?? -1),
    );
    if (!setting) break;
    const outcome = await driver.set(setting);
    if (outcome.kind === 'answered') {
      driver.accepted(setting, outcome.value);
      accepted += 1;
      restored.add(setting.id);
    } else refused.set(keyOf(setting), { reason: reasonOf(outcome), accepted: outcome.kind === 'refused' ? accepted : 'final' });
    if (outcome.kind === 'ended') break;
  }
  const failed = new Map(
    settingsToRestore(wishes, driver.reported()).map((setting) => [
      setting.id,
      refused.get(keyOf(setting))?.reason ?? 'the agent accepted it, and then had another value again',
    ]),
  );
  return {
    restored: [...restored].filter((id) => !failed.has(id)),
    failed: [...failed].map(([id, reason]) => ({ id, reason })),
  };
}

const keyOf = ({ kind, id }: Setting): string => `${kind} ${id}`;

/** The error of a setting that its user asked for and the agent did not take. */
export function settingError(sessionId: string, setting: Setting, failure: Failure): RehydrateError {
  const code = failure.kind === 'refused' ? 'invalid_argument' : failure.kind === 'hung' ? 'agent_timeout' : 'agent_exited';
  return new RehydrateError(
    code,
    `The agent of session "${sessionId}" did not set ${setting.id} to ${JSON.stringify(setting.value)}: ${reasonOf(failure)}. Use a value it offers.`,
    { sessionId, setting: setting.id, ...(failure.kind === 'refused' ? { error: failure.error } : {}) },
  );
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
