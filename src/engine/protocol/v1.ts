/** ACP v1: its method names and the shapes of its answers, and nobody else's business. What v2 shares, it takes from here. */
import type { AuthMethod, Implementation } from '@agentclientprotocol/sdk';
import type { SessionUpdate, StopReason } from '../types.ts';
import type {
  AgentCapabilities,
  AgentFacts,
  AgentNotification,
  AgentProtocol,
  AnsweredSettings,
  ListedSessions,
  NewAgentSession,
  SessionParams,
  Setting,
  TurnAnswer,
} from './agent-protocol.ts';
import type { Connection, Outcome, Patience } from './connection.ts';
import type { RpcResponse } from './json-rpc.ts';
import { objectOf, readConfigOptions, readModes, withText } from './reported-state.ts';

/** `{}` means supported; `true` is taken as the same, `false` and null as not. */
export const supported = (value: unknown): boolean => value === true || objectOf(value) !== null;

export function readCapabilitiesV1(capabilities: Readonly<Record<string, unknown>>): AgentCapabilities {
  const session = objectOf(capabilities['sessionCapabilities']) ?? {};
  return {
    capabilities,
    canLoad: capabilities['loadSession'] === true,
    canResume: supported(session['resume']),
    canList: supported(session['list']),
    canClose: supported(session['close']),
    canDelete: supported(session['delete']),
    canFork: supported(session['fork']),
    additionalDirectories: supported(session['additionalDirectories']),
    embeddedContext: objectOf(capabilities['promptCapabilities'])?.['embeddedContext'] === true,
  };
}

export function readFactsV1(answer: Readonly<Record<string, unknown>>): AgentFacts {
  return {
    ...readCapabilitiesV1(objectOf(answer['agentCapabilities']) ?? {}),
    protocolVersion: 1,
    info: objectOf(answer['agentInfo']) as Implementation | null,
    authMethods: withText(answer['authMethods'], 'id').map((method) => ({ name: method['id'], ...method }) as unknown as AuthMethod),
  };
}

function readSettings(result: unknown): AnsweredSettings {
  const answer = objectOf(result) ?? {};
  const modes = readModes(answer['modes']);
  const configOptions = readConfigOptions(answer['configOptions']);
  return { ...(modes ? { modes } : {}), ...(configOptions ? { configOptions } : {}) };
}

/** The answer that names a new session, its settings read by `settings`. */
export const newBy =
  (settings: (result: unknown) => AnsweredSettings) =>
  (result: unknown): NewAgentSession => {
    const { sessionId: id, modes: _modes, configOptions: _options, ...rest } = objectOf(result) ?? {};
    return { agentSessionId: typeof id === 'string' && id !== '' ? id : null, settings: settings(result), rest, raw: result };
  };

const readNew = newBy(readSettings);

export function readList(result: unknown): ListedSessions | null {
  const answer = objectOf(result);
  if (!Array.isArray(answer?.['sessions'])) return null;
  return {
    sessions: withText(answer['sessions'], 'sessionId') as unknown as ListedSessions['sessions'],
    nextCursor: answer['nextCursor'] ?? undefined,
  };
}

export function readTurn(response: RpcResponse): TurnAnswer {
  if ('error' in response) return { kind: 'refused', error: response.error };
  const said = objectOf(response.result);
  const stopReason = said?.['stopReason'];
  if (!said || typeof stopReason !== 'string') return { kind: 'garbled', said: response.result ?? null };
  return { kind: 'stopped', stopReason: stopReason as StopReason, said };
}

export function readNotification(method: string, params: Readonly<Record<string, unknown>>): AgentNotification {
  if (method === '$/cancel_request') return { kind: 'withdrawn', requestId: params['requestId'] };
  const update = method === 'session/update' ? objectOf(params['update']) : null;
  if (!update) return { kind: 'other', method, params };
  return {
    kind: 'update',
    update: update as unknown as SessionUpdate,
    meta: objectOf(params['_meta']) ?? undefined,
    agentSessionId: params['sessionId'],
  };
}

export const map = <T>(outcome: Outcome, read: (value: unknown) => T): Outcome<T> =>
  outcome.kind === 'answered' ? { kind: 'answered', value: read(outcome.value) } : outcome;

export function speakV1(connection: Connection, facts: AgentFacts): AgentProtocol {
  const call = (method: string, params: object, patience: Patience) => connection.call(method, params, patience);
  const sessionParams = ({ cwd, mcpServers, additionalDirectories, extra }: SessionParams) => ({
    ...extra,
    cwd,
    mcpServers,
    ...(facts.additionalDirectories && additionalDirectories.length > 0 ? { additionalDirectories } : {}),
  });
  return {
    facts,
    authenticate: (methodId, patience) => call('authenticate', { methodId }, patience),
    newSession: async (params, patience) => map(await call('session/new', sessionParams(params), patience), readNew),
    takeUp: async (how, sessionId, params, patience) =>
      map(await call(`session/${how}`, { ...sessionParams(params), sessionId }, patience), readSettings),
    listSessions: async (cwd, cursor, patience) =>
      map(
        await call('session/list', { ...(cwd === undefined ? {} : { cwd }), ...(cursor === undefined ? {} : { cursor }) }, patience),
        readList,
      ),
    prompt: (sessionId, prompt, over, extra) =>
      connection.start('session/prompt', { ...extra, sessionId, prompt }, (response) => over(response && readTurn(response))),
    cancel: (sessionId) => connection.notify('session/cancel', { sessionId }),
    set: async (sessionId, setting, patience) => map(await call(...setCall(sessionId, setting), patience), readSettings),
    closeSession: (sessionId, patience) => call('session/close', { sessionId }, patience),
    deleteSession: (sessionId, patience) => call('session/delete', { sessionId }, patience),
    forkSession: async (sessionId, params, patience) =>
      map(await call('session/fork', { ...sessionParams(params), sessionId }, patience), readNew),
    request: (method, params, over) => connection.start(method, params, over),
    notify: (method, params) => connection.notify(method, params),
    readNotification,
    readPermission: (params) => params,
  };
}

function setCall(sessionId: string, setting: Setting): [method: string, params: object] {
  if (setting.kind === 'mode') return ['session/set_mode', { sessionId, modeId: setting.value }];
  const { id: configId, value } = setting;
  return ['session/set_config_option', { sessionId, configId, value, ...(typeof value === 'boolean' ? { type: 'boolean' } : {}) }];
}
