/**
 * What differs from v1 in ACP v2, a draft. `session/resume` replays when it is asked to. A prompt is answered as soon as it is inserted,
 * and its turn ends when the agent says it is idle again. What an agent tells is stored as it tells it; `updates.ts` reads both versions.
 */
import type { AuthMethod, Implementation } from '@agentclientprotocol/sdk';
import type { StopReason } from '../types.ts';
import type { AgentCapabilities, AgentFacts, AgentNotification, AgentProtocol, AnsweredSettings, TurnAnswer } from './agent-protocol.ts';
import { errorData } from './bounded.ts';
import { FIXED_LIMITS } from '../limits.ts';
import { inBackground } from '../waiting.ts';
import type { Connection } from './connection.ts';
import { toRpcError, type RpcError } from './json-rpc.ts';
import { objectOf, type Fields } from '../objects.ts';
import { modesAmong, readCommands, readConfigOptions, withText } from './reported-state.ts';
import { isConversation, roleOf } from './updates.ts';
import { readNotification, readTurn, speak, supported } from './v1.ts';

export function readCapabilitiesV2(capabilities: Fields): AgentCapabilities {
  const session = objectOf(capabilities['session']) ?? {};
  return {
    capabilities,
    // What every agent of version 2 can.
    canResume: true,
    canLoad: true,
    canList: true,
    canClose: true,
    canDelete: supported(session['delete']),
    canFork: supported(session['fork']),
    additionalDirectories: supported(session['additionalDirectories']),
    embeddedContext: supported(objectOf(session['prompt'])?.['embeddedContext']),
  };
}

export function readFactsV2(answer: Fields): AgentFacts {
  return {
    ...readCapabilitiesV2(objectOf(answer['capabilities']) ?? {}),
    protocolVersion: 2,
    info: objectOf(answer['info']) as Implementation | null,
    authMethods: withText(answer['authMethods'], 'methodId').map(
      (method) => ({ name: method['methodId'], ...method, id: method['methodId'] }) as unknown as AuthMethod,
    ),
  };
}

/** Files and terminals are the agent's own in v2. */
export function clientCapabilitiesV2({ elicitation, auth }: Fields): Fields {
  return { ...(elicitation === undefined ? {} : { elicitation }), ...(auth === undefined ? {} : { auth }) };
}

function readSettings(result: unknown): AnsweredSettings {
  const answer = objectOf(result) ?? {};
  const configOptions = readConfigOptions(answer['configOptions']);
  const modes = modesAmong(answer['configOptions']);
  const commands = readCommands(answer['availableCommands']);
  return { ...(modes ? { modes } : {}), ...(configOptions ? { configOptions } : {}), ...(commands ? { commands } : {}) };
}

/** A prompt whose turn is not over. */
interface Running {
  readonly sessionId: string;
  /** The agent answered: the user's message is in the conversation. */
  inserted: boolean;
  messageId: unknown;
  /** It has worked since. An `idle` before that is not about this turn. */
  began: boolean;
  cancelled: boolean;
  /** Its `idle`, if that came before its answer. */
  idle: Fields | null;
  readonly end: (answer: TurnAnswer | null) => void;
}

export function speakV2(connection: Connection, facts: AgentFacts): AgentProtocol {
  let turn: Running | null = null;
  let active = false;
  /** The option that the modes are. */
  let modeOption = 'mode';

  function learnModeOption(configOptions: unknown): void {
    const option = withText(configOptions, 'configId').find(({ category }) => category === 'mode');
    if (option) modeOption = option['configId'] as string;
  }

  const both = speak(connection, facts, {
    login: 'auth/login',
    // A server without `type` is one of v1, run by a command.
    server: (server) => ('type' in server ? server : { type: 'stdio', ...server }),
    settings(result) {
      learnModeOption(objectOf(result)?.['configOptions']);
      return readSettings(result);
    },
    resumeOrLoad: (how) => ['session/resume', how === 'load' ? { replayFrom: { type: 'start' } } : {}],
    set: ({ id, kind, value }) => [
      'session/set_config_option',
      { configId: kind === 'mode' ? modeOption : id, type: typeof value === 'boolean' ? 'boolean' : 'id', value },
    ],
  });

  function hearState(update: Fields): (() => void) | undefined {
    const { state } = update;
    active = state === 'running' || state === 'requires_action';
    const running = turn;
    if (!running) return undefined;
    if (active) [running.began, running.idle] = [true, null];
    const hasReason = typeof update['stopReason'] === 'string';
    // An `idle` with a stop reason, after the prompt was inserted, is no snapshot: a command that says nothing ends so.
    if (state !== 'idle' || !(running.began || (running.inserted && hasReason))) return undefined;
    running.idle = update;
    const end = () => running.idle === update && running.end(stopped(running, update));
    if (running.inserted) return end;
    // It stopped, and may have forgotten that it was to answer, too.
    if (hasReason) inBackground(setTimeout(end, FIXED_LIMITS.promptAnswerMs));
    return undefined;
  }

  return {
    ...both,

    prompt(sessionId, prompt, over, extra) {
      const mine: Running = {
        ...{ sessionId, inserted: false, messageId: undefined, began: false, cancelled: false, idle: null },
        end(answer) {
          if (turn !== mine) return;
          turn = null;
          over(answer);
        },
      };
      turn = mine;
      connection.start('session/prompt', { ...extra, sessionId, prompt }, (response) => {
        if (response === null) return mine.end(null);
        if ('error' in response) return mine.end({ kind: 'refused', error: response.error });
        const { messageId, stopReason } = objectOf(response.result) ?? {};
        // The agent said 2 in `initialize` and goes on as in 1.
        if (typeof stopReason === 'string') return mine.end(readTurn(response));
        if (typeof messageId !== 'string' && !mine.began)
          return mine.end({ kind: 'garbled', lacks: 'messageId', said: errorData(response.result ?? null) });
        Object.assign(mine, { inserted: true, messageId, began: mine.began || active });
        if (mine.idle) mine.end(stopped(mine, mine.idle));
      });
    },
    cancel(sessionId) {
      if (turn?.sessionId === sessionId) turn.cancelled = true;
      both.cancel(sessionId);
    },

    readNotification(method, params): AgentNotification {
      const said = readNotification(method, params);
      if (said.kind !== 'update') return said;
      const update = said.update as unknown as Fields;
      if (update['sessionUpdate'] === 'config_option_update') learnModeOption(update['configOptions']);
      const isOurs = turn === null || said.agentSessionId === undefined || said.agentSessionId === turn.sessionId;
      // An agent that speaks after the prompt was inserted works, even if it does not say so.
      if (isOurs && turn?.inserted && isConversation(update, said.meta) && roleOf(update, said.meta) !== 'user') turn.began = true;
      const after = update['sessionUpdate'] === 'state_update' && isOurs ? hearState(update) : undefined;
      return after ? { ...said, after } : said;
    },
    readPermission,
  };
}

/** Not every agent says why it stopped. */
function stopped({ messageId, cancelled }: Running, idle: Fields): TurnAnswer {
  const { sessionUpdate: _kind, state: _state, stopReason, ...rest } = idle;
  if (stopReason === 'error') return { kind: 'refused', error: errorOf(rest['error']) };
  const reason = typeof stopReason === 'string' ? stopReason : cancelled ? 'cancelled' : 'end_turn';
  const said = { ...(typeof messageId === 'string' ? { messageId } : {}), ...rest, stopReason: reason };
  return { kind: 'stopped', stopReason: reason as StopReason, said };
}

function errorOf(value: unknown): RpcError {
  const { code, message, data } = objectOf(value) ?? {};
  return toRpcError({
    code: typeof code === 'number' ? code : -32603,
    message: typeof message === 'string' ? message : 'The agent stopped with an error and did not say which.',
    data,
  });
}

/** In v2 the question has its own text, and names a tool call or a command only where it is about one. */
function readPermission({ title, description, subject, options }: Fields): Fields {
  const about = objectOf(subject) ?? {};
  const { toolCallId, command, cwd } = about;
  const toolCall = objectOf(about['toolCall']) ?? {
    toolCallId: typeof toolCallId === 'string' ? toolCallId : '',
    ...(command === undefined ? {} : { kind: 'execute', rawInput: { command, cwd } }),
  };
  const described = typeof description === 'string' ? [{ type: 'content', content: { type: 'text', text: description } }] : [];
  const content = Array.isArray(toolCall['content']) ? (toolCall['content'] as unknown[]) : [];
  return {
    toolCall: {
      ...toolCall,
      ...(typeof title === 'string' ? { title } : {}),
      ...(described.length > 0 ? { content: [...described, ...content] } : {}),
    },
    options,
  };
}
