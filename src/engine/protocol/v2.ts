/**
 * Speaks ACP v2, which is a draft, where it differs from v1. `session/resume` replays if it is asked to. A prompt is answered as soon as
 * its message is inserted, and its turn ends when the agent says that it is idle again. Updates are stored as they are: `updates.ts` reads
 * both versions.
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
    // Every agent of version 2 must have these.
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

/** In v2 the agent has its own files and terminals, so those are not advertised. */
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

interface Running {
  readonly sessionId: string;
  /** Whether the agent has answered: the user's message is in the conversation. */
  inserted: boolean;
  messageId: unknown;
  /** Whether the agent has worked on it. An `idle` before that is not about this turn. */
  began: boolean;
  cancelled: boolean;
  /** The `idle` that ends the turn, if it came before the answer. */
  idle: Fields | null;
  readonly end: (answer: TurnAnswer | null) => void;
}

export function speakV2(connection: Connection, facts: AgentFacts): AgentProtocol {
  let turn: Running | null = null;
  /** Whether the agent last said that it works. */
  let active = false;
  /** The id of the option that holds the modes. */
  let modeOption = 'mode';

  function learnModeOption(configOptions: unknown): void {
    const option = withText(configOptions, 'configId').find(({ category }) => category === 'mode');
    if (option) modeOption = option['configId'] as string;
  }

  const both = speak(connection, facts, {
    login: 'auth/login',
    // A server without a `type` is written as in v1, and run by a command.
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

  /** Returns what ends the turn, if the update says that the agent is done with it. */
  function takeState(update: Fields): (() => void) | undefined {
    const { state } = update;
    active = state === 'running' || state === 'requires_action';
    const running = turn;
    if (!running) return undefined;
    if (active) {
      running.began = true;
      running.idle = null;
    }
    const hasReason = typeof update['stopReason'] === 'string';
    // After the prompt was inserted, an `idle` with a stop reason ends the turn even if the agent did not say that it works.
    if (state !== 'idle' || !(running.began || (running.inserted && hasReason))) return undefined;
    running.idle = update;
    const end = () => running.idle === update && running.end(stopped(running, update));
    if (running.inserted) return end;
    // The turn has stopped, but the prompt is not answered. An agent that forgets to answer is not waited for longer than this.
    if (hasReason) inBackground(setTimeout(end, FIXED_LIMITS.promptAnswerMs));
    return undefined;
  }

  return {
    ...both,

    prompt(sessionId, prompt, over, extra) {
      const running: Running = {
        sessionId,
        inserted: false,
        messageId: undefined,
        began: false,
        cancelled: false,
        idle: null,
        end(answer) {
          if (turn !== running) return;
          turn = null;
          over(answer);
        },
      };
      turn = running;
      connection.start('session/prompt', { ...extra, sessionId, prompt }, (response) => {
        if (response === null) return running.end(null);
        if ('error' in response) return running.end({ kind: 'refused', error: response.error });
        const { messageId, stopReason } = objectOf(response.result) ?? {};
        // The agent said version 2 in `initialize`, and speaks 1.
        if (typeof stopReason === 'string') return running.end(readTurn(response));
        if (typeof messageId !== 'string' && !running.began)
          return running.end({ kind: 'garbled', lacks: 'messageId', said: errorData(response.result ?? null) });
        running.inserted = true;
        running.messageId = messageId;
        running.began ||= active;
        if (running.idle) running.end(stopped(running, running.idle));
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
      // An agent that speaks after the prompt was inserted is working, even if it does not say so.
      if (isOurs && turn?.inserted && isConversation(update, said.meta) && roleOf(update, said.meta) !== 'user') turn.began = true;
      const after = update['sessionUpdate'] === 'state_update' && isOurs ? takeState(update) : undefined;
      return after ? { ...said, after } : said;
    },
    readPermission,
  };
}

/** The end of a turn. Not every agent says why it stopped. */
function stopped({ messageId, cancelled }: Running, idle: Fields): TurnAnswer {
  const { sessionUpdate: _kind, state: _state, stopReason, ...rest } = idle;
  if (stopReason === 'error') return { kind: 'refused', error: errorOf(rest['error']) };
  const assumed = cancelled ? 'cancelled' : 'end_turn';
  const reason = typeof stopReason === 'string' ? stopReason : assumed;
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

/** In v2 the request has a text of its own, and a tool call or a command only if it is about one. */
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
