/** Modes and configuration options last in force are set again after every tier. */
import type { SessionConfigOption } from '@agentclientprotocol/sdk';
import type { AgentLink, CallOutcome } from '../protocol/link.ts';
import { readSettings } from '../protocol/v1.ts';
import type { ResumeReport } from '../types.ts';
import { RehydrateError } from '../errors.ts';
import { toColumns, type KnownState } from './last-known.ts';
import type { LiveSession } from './live-session.ts';
import { toldWithout } from './opening.ts';

export type Setting =
  | { readonly id: string; readonly kind: 'option'; readonly value: string | boolean }
  | { readonly id: 'mode'; readonly kind: 'mode'; readonly value: string };

/**
 * What differs between what was in force and what the agent says now. Options come before the mode: a
 * model may decide which modes there are.
 */
export function settingsToRestore(before: KnownState, now: KnownState): Setting[] {
  const settings: Setting[] = [];
  const current = new Map((now.configOptions ?? []).map((option) => [option.id, option.currentValue]));
  for (const option of before.configOptions ?? []) {
    if (typeof option.id !== 'string' || option.currentValue === undefined) continue;
    if (now.configOptions !== null && current.get(option.id) === option.currentValue) continue;
    settings.push({ id: option.id, kind: 'option', value: option.currentValue });
  }
  const mode = before.modes?.currentModeId;
  if (mode !== undefined && now.modes?.currentModeId !== mode) settings.push({ id: 'mode', kind: 'mode', value: mode });
  return settings;
}

export interface Restored {
  readonly settings: ResumeReport['settings'];
  /** What is in force now, as the agent answered. */
  readonly now: KnownState;
}

export async function restoreSettings(
  link: AgentLink,
  agentSessionId: string,
  before: KnownState,
  now: KnownState,
  timeoutMs: number,
): Promise<Restored> {
  const restored: string[] = [];
  const failed: { id: string; reason: string }[] = [];
  let state = now;
  for (const setting of settingsToRestore(before, now)) {
    if (setting.kind === 'option' && state.configOptions && !state.configOptions.some((option) => option.id === setting.id)) {
      failed.push({ id: setting.id, reason: 'the agent does not offer it any more' });
      continue;
    }
    const outcome = await sendSetting(link, agentSessionId, setting, timeoutMs);
    if (outcome.kind === 'answered') {
      restored.push(setting.id);
      state = withSetting(state, setting, outcome.result);
    } else failed.push({ id: setting.id, reason: reasonOf(outcome) });
    if (outcome.kind === 'ended') break;
  }
  return { settings: { restored, failed }, now: state };
}

/** Sets one thing in a live session because its user said so. Errors: `invalid_argument` when the agent refuses it, `agent_timeout`, `agent_exited`. */
export async function applySetting(session: LiveSession, setting: Setting, timeoutMs: number): Promise<void> {
  const { sessionId } = session;
  const outcome = await sendSetting(session.link, session.agentSessionId as string, setting, timeoutMs);
  if (outcome.kind !== 'answered') {
    const code = outcome.kind === 'refused' ? 'invalid_argument' : outcome.kind === 'hung' ? 'agent_timeout' : 'agent_exited';
    throw toldWithout(
      session.redact,
      new RehydrateError(
        code,
        `The agent of session "${sessionId}" did not set ${setting.id} to ${JSON.stringify(setting.value)}: ${reasonOf(outcome)}. Use a value it offers.`,
        {
          sessionId,
          setting: setting.id,
          ...(outcome.kind === 'refused' ? { error: outcome.error } : {}),
        },
      ),
    );
  }
  const known = withSetting(session.known, setting, outcome.result);
  session.known = known;
  await session.writer.append({
    events: [],
    lastKnown: toColumns(setting.kind === 'mode' ? { modes: known.modes } : { configOptions: known.configOptions }),
  });
}

/** Sends one setting as ACP wants it. */
export function sendSetting(link: AgentLink, agentSessionId: string, setting: Setting, timeoutMs: number): Promise<CallOutcome> {
  return setting.kind === 'mode'
    ? link.call('session/set_mode', { sessionId: agentSessionId, modeId: setting.value }, timeoutMs)
    : link.call(
        'session/set_config_option',
        {
          sessionId: agentSessionId,
          configId: setting.id,
          value: setting.value,
          ...(typeof setting.value === 'boolean' ? { type: 'boolean' } : {}),
        },
        timeoutMs,
      );
}

/** What is known once the agent accepted a setting: its own word where it gives it, else what was asked. */
export function withSetting(known: KnownState, setting: Setting, result: unknown): KnownState {
  const said = readSettings(result);
  if (setting.kind === 'mode') {
    return { ...known, modes: { availableModes: [], ...known.modes, currentModeId: setting.value } };
  }
  const configOptions =
    said.configOptions ??
    known.configOptions?.map((option) =>
      option.id === setting.id ? ({ ...option, currentValue: setting.value } as SessionConfigOption) : option,
    ) ??
    null;
  return { ...known, configOptions };
}

function reasonOf(outcome: Exclude<CallOutcome, { kind: 'answered' }>): string {
  switch (outcome.kind) {
    case 'refused':
      return `error ${outcome.error.code}: ${outcome.error.message}`;
    case 'hung':
      return `no answer within ${outcome.afterMs / 1000} s`;
    case 'ended':
      return 'the agent ended';
  }
}
