/** What an agent last said about its modes, options, commands, title and usage. */
import type { AvailableCommand, SessionConfigOption, SessionModeState } from '@agentclientprotocol/sdk';
import { readCommands, readConfigOptions } from '../protocol/v1.ts';
import type { LastKnown } from '../storage/statements.ts';
import type { SessionInfo } from '../types.ts';

export interface KnownState {
  modes: SessionModeState | null;
  configOptions: readonly SessionConfigOption[] | null;
  commands: readonly AvailableCommand[] | null;
  title: string | null;
  usage: Readonly<Record<string, unknown>> | null;
}

export const NOTHING_KNOWN: KnownState = { modes: null, configOptions: null, commands: null, title: null, usage: null };

export function knownFrom(info: Pick<SessionInfo, keyof KnownState>): KnownState {
  return { modes: info.modes, configOptions: info.configOptions, commands: info.commands, title: info.title, usage: info.usage };
}

/** The updates that say how things are, and not what happened. */
const STATE_UPDATES = new Set([
  'available_commands_update',
  'current_mode_update',
  'config_option_update',
  'session_info_update',
  'usage_update',
]);

export function isStateUpdate(update: Readonly<Record<string, unknown>>): boolean {
  return STATE_UPDATES.has(update['sessionUpdate'] as string);
}

/** What the update changes in what is known, or null when it says nothing new. */
export function learn(known: KnownState, update: Readonly<Record<string, unknown>>): Partial<KnownState> | null {
  const next = read(known, update);
  if (!next) return null;
  const changed = Object.entries(next).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(known[key as keyof KnownState]));
  return changed.length === 0 ? null : Object.fromEntries(changed);
}

function read(known: KnownState, update: Readonly<Record<string, unknown>>): Partial<KnownState> | null {
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

/** As columns of the session's row. */
export function toColumns(state: Partial<KnownState>): LastKnown {
  return {
    ...('modes' in state ? { modes: state.modes } : {}),
    ...('configOptions' in state ? { config_options: state.configOptions } : {}),
    ...('commands' in state ? { commands: state.commands } : {}),
    ...('title' in state ? { title: state.title ?? null } : {}),
    ...('usage' in state ? { usage: state.usage } : {}),
  };
}
