/** Speaks ACP v1. `speak` is what v2 shares with it. */
import type { AuthMethod, Implementation, McpServer } from '@agentclientprotocol/sdk';
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
import { errorData } from './bounded.ts';
import type { Connection, Outcome } from './connection.ts';
import type { RpcResponse } from './json-rpc.ts';
import { objectOf, type Fields } from '../objects.ts';
import { readConfigOptions, readModes, withText } from './reported-state.ts';

/** ACP says `{}` for a supported capability; some agents say `true`. */
export const supported = (value: unknown): boolean => value === true || objectOf(value) !== null;

export function readCapabilitiesV1(capabilities: Fields): AgentCapabilities {
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

export function readFactsV1(answer: Fields): AgentFacts {
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
  if (!said || typeof stopReason !== 'string') return { kind: 'garbled', lacks: 'stop reason', said: errorData(response.result ?? null) };
  return { kind: 'stopped', stopReason: stopReason as StopReason, said };
}

export function readNotification(method: string, params: Fields): AgentNotification {
  const update = method === 'session/update' ? objectOf(params['update']) : null;
  if (!update) return { kind: 'other', method, params };
  return {
    kind: 'update',
    update: update as unknown as SessionUpdate,
    meta: objectOf(params['_meta']) ?? undefined,
    agentSessionId: params['sessionId'],
  };
}

const map = <T>(outcome: Outcome, read: (value: unknown) => T): Outcome<T> =>
  outcome.kind === 'answered' ? { kind: 'answered', value: read(outcome.value) } : outcome;

/** What the versions say differently. */
interface Dialect {
  readonly login: string;
  server(server: McpServer): object;
  settings(result: unknown): AnsweredSettings;
  resumeOrLoad(how: 'resume' | 'load'): readonly [method: string, params: object];
  set(setting: Setting): readonly [method: string, params: object];
}

export function speak(connection: Connection, facts: AgentFacts, dialect: Dialect): AgentProtocol {
  const { call, start, notify } = connection;
  const about = ({ cwd, mcpServers, additionalDirectories, extra }: SessionParams) => ({
    ...extra,
    cwd,
    mcpServers: mcpServers.map(dialect.server),
    ...(facts.additionalDirectories && additionalDirectories.length > 0 ? { additionalDirectories } : {}),
  });
  const readNew = (result: unknown): NewAgentSession => {
    const { sessionId: id, modes: _modes, configOptions: _options, ...rest } = objectOf(result) ?? {};
    const agentSessionId = typeof id === 'string' && id !== '' && id.isWellFormed() ? id : null;
    return { agentSessionId, settings: dialect.settings(result), rest, raw: agentSessionId === null ? errorData(result) : null };
  };
  return {
    facts,
    authenticate: (methodId, patience) => call(dialect.login, { methodId }, patience),
    newSession: async (params, patience) => map(await call('session/new', about(params), patience), readNew),
    async resumeOrLoad(how, sessionId, params, patience) {
      const [method, more] = dialect.resumeOrLoad(how);
      return map(await call(method, { ...about(params), sessionId, ...more }, patience), dialect.settings);
    },
    listSessions: async (cwd, cursor, patience) =>
      map(
        await call('session/list', { ...(cwd === undefined ? {} : { cwd }), ...(cursor === undefined ? {} : { cursor }) }, patience),
        readList,
      ),
    prompt: (sessionId, prompt, over, extra) =>
      start('session/prompt', { ...extra, sessionId, prompt }, (response) => over(response && readTurn(response))),
    cancel: (sessionId) => notify('session/cancel', { sessionId }),
    async set(sessionId, setting, patience) {
      const [method, params] = dialect.set(setting);
      return map(await call(method, { sessionId, ...params }, patience), dialect.settings);
    },
    closeSession: (sessionId, patience) => call('session/close', { sessionId }, patience),
    deleteSession: (sessionId, patience) => call('session/delete', { sessionId }, patience),
    forkSession: async (sessionId, params, patience) => map(await call('session/fork', { ...about(params), sessionId }, patience), readNew),
    request: start,
    notify,
    readNotification,
    readPermission: (params) => params,
  };
}

export const speakV1 = (connection: Connection, facts: AgentFacts): AgentProtocol =>
  speak(connection, facts, {
    login: 'authenticate',
    server: (server) => server,
    settings: readSettings,
    resumeOrLoad: (how) => [`session/${how}`, {}],
    set: ({ kind, id, value }) =>
      kind === 'mode'
        ? ['session/set_mode', { modeId: value }]
        : ['session/set_config_option', { configId: id, value, ...(typeof value === 'boolean' ? { type: 'boolean' } : {}) }],
  });
