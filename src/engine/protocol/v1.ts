/**
 * What is particular to ACP v1, in one place. Version 2 drops `session/load`, gives `session/resume` a
 * `replayFrom` and ends a turn with a state update; the rest of the engine knows nothing of either.
 */
import type { AuthMethod, AvailableCommand, Implementation, SessionConfigOption, SessionModeState } from '@agentclientprotocol/sdk';

export const PROTOCOL_VERSION = 1;

/** JSON-RPC and ACP error codes the engine branches on. */
export const RPC = {
  methodNotFound: -32601,
  internal: -32603,
  cancelled: -32800,
  authRequired: -32000,
} as const;

/** What an agent said about itself in `initialize`. */
export interface AgentFacts {
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly canResume: boolean;
  readonly canLoad: boolean;
  readonly canList: boolean;
  readonly embeddedContext: boolean;
  readonly additionalDirectories: boolean;
  readonly info: Implementation | null;
  readonly authMethods: readonly AuthMethod[];
}

const object = (value: unknown): Readonly<Record<string, unknown>> | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;

/** `{}` means supported; `true` is taken as the same, `false` and null as not. */
const supported = (value: unknown): boolean => value === true || object(value) !== null;

/** Reads capabilities, as stored or as advertised. */
export function readCapabilities(value: unknown): Omit<AgentFacts, 'info' | 'authMethods'> {
  const capabilities = object(value) ?? {};
  const session = object(capabilities['sessionCapabilities']) ?? {};
  return {
    capabilities,
    canLoad: capabilities['loadSession'] === true,
    canResume: supported(session['resume']),
    canList: supported(session['list']),
    additionalDirectories: supported(session['additionalDirectories']),
    embeddedContext: object(capabilities['promptCapabilities'])?.['embeddedContext'] === true,
  };
}

/** The answer to `initialize`, or in words what is wrong with it. */
export function readInitialize(result: unknown): AgentFacts | string {
  const answer = object(result);
  if (!answer) return 'it answered initialize with no object';
  if (answer['protocolVersion'] !== PROTOCOL_VERSION) {
    return `it speaks ACP version ${JSON.stringify(answer['protocolVersion'])}, this host version ${PROTOCOL_VERSION}`;
  }
  return {
    ...readCapabilities(answer['agentCapabilities']),
    info: object(answer['agentInfo']) as Implementation | null,
    authMethods: withText(answer['authMethods'], 'id').map((method) => ({ name: method['id'], ...method }) as unknown as AuthMethod),
  };
}

/** Modes and options as an answer to new, load, resume or a setting carries them; undefined when it says nothing. */
export function readSettings(result: unknown): { modes?: SessionModeState; configOptions?: SessionConfigOption[] } {
  const answer = object(result) ?? {};
  const modes = readModes(answer['modes']);
  const configOptions = readConfigOptions(answer['configOptions']);
  return { ...(modes ? { modes } : {}), ...(configOptions ? { configOptions } : {}) };
}

/*
 * What follows is kept to be used again at every wake, so only entries that can be used are taken: one that cannot
 * (null, no id) would stand in the way of the session for ever. The log has all of it as it was sent.
 */

/** The entries of a list that are objects with a text under `key`. */
function withText(list: unknown, key: string): Readonly<Record<string, unknown>>[] {
  return Array.isArray(list)
    ? list
        .map(object)
        .filter((entry) => entry !== null && typeof entry[key] === 'string')
        .map((entry) => entry as Readonly<Record<string, unknown>>)
    : [];
}

export function readModes(value: unknown): SessionModeState | null {
  const modes = object(value);
  if (!modes || typeof modes['currentModeId'] !== 'string') return null;
  return { ...modes, availableModes: withText(modes['availableModes'], 'id') } as unknown as SessionModeState;
}

export function readConfigOptions(value: unknown): SessionConfigOption[] | null {
  return Array.isArray(value) ? (withText(value, 'id') as unknown as SessionConfigOption[]) : null;
}

export function readCommands(value: unknown): AvailableCommand[] | null {
  return Array.isArray(value) ? (withText(value, 'name') as unknown as AvailableCommand[]) : null;
}
