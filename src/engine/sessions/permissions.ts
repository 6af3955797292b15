/** The agent's open questions. Request and answer are events; the answer is stored before it is sent. */
import type { PermissionOption, ToolCallUpdate } from '@agentclientprotocol/sdk';
import type { RpcId, RpcResponse } from '../protocol/json-rpc.ts';
import type { PermissionRequested, PermissionResolved } from '../types.ts';
import type { NewEvent } from '../storage/statements.ts';
import type { SessionWriter, Work } from '../storage/writer.ts';
import { invalid, type PermissionRule } from './config.ts';

interface Open {
  readonly rpcId: RpcId;
  readonly turnId: string | null;
  readonly request: PermissionRequested;
  readonly answer: (response: RpcResponse) => void;
  /** Set while an answer is being stored, so that a second one is refused. */
  settling: boolean;
}

export interface Permissions {
  /** Stores the question, asks the rule, and resolves with what the agent is answered. */
  ask(rpcId: RpcId, params: Readonly<Record<string, unknown>>, turnId: string | null): Promise<RpcResponse>;
  /** A person's answer. Errors: `invalid_argument` for an unknown request or option; the request stays open. */
  respond(requestId: string, optionId: string | null): Promise<void>;
  /** The agent withdrew its question. */
  withdraw(rpcId: unknown): Promise<void>;
  /** Answers everything open with `cancelled`; the events are for the caller to store. */
  cancelAll(): NewEvent[];
  readonly open: readonly PermissionRequested[];
}

export interface PermissionDeps {
  readonly sessionId: string;
  readonly writer: SessionWriter;
  readonly rule: PermissionRule;
  readonly clock: () => number;
  readonly newId: () => string;
  readonly maxOpen: number;
  readonly redact: <T>(value: T) => T;
  /** Takes what could not be stored and must be, as soon as it can. */
  readonly keepUnwritten: (error: unknown, work: Work) => void;
}

const CANCELLED: RpcResponse = { result: { outcome: { outcome: 'cancelled' } } };

export function createPermissions(deps: PermissionDeps): Permissions {
  const open = new Map<string, Open>();

  const event = (
    turnId: string | null,
    kind: 'permission_requested' | 'permission_resolved',
    payload: PermissionRequested | PermissionResolved,
  ) => ({ kind, turnId, at: deps.clock(), origin: kind === 'permission_requested' ? 'agent' : 'host', payload }) as NewEvent;

  const ended = ({ turnId, request }: Open) =>
    event(turnId, 'permission_resolved', { requestId: request.requestId, optionId: null, by: 'end' });

  async function settle(entry: Open, optionId: string | null, by: PermissionResolved['by']): Promise<void> {
    if (entry.settling) throw invalid(`Permission request "${entry.request.requestId}" is being answered already.`);
    entry.settling = true;
    try {
      await deps.writer.append({
        events: [event(entry.turnId, 'permission_resolved', { requestId: entry.request.requestId, optionId, by })],
      });
    } catch (error) {
      entry.settling = false;
      // `cancelAll` left its end to this answer, of which there is none now.
      if (!open.has(entry.request.requestId)) deps.keepUnwritten(error, { events: [ended(entry)] });
      throw error;
    }
    // `cancelAll` may have answered it while this was being stored.
    if (open.delete(entry.request.requestId)) {
      entry.answer(optionId === null ? CANCELLED : { result: { outcome: { outcome: 'selected', optionId } } });
    }
  }

  return {
    async ask(rpcId, params, turnId) {
      const options = params['options'];
      if (!Array.isArray(options) || !options.every((option) => typeof (option as PermissionOption | null)?.optionId === 'string')) {
        return { error: { code: -32602, message: 'Invalid params: options must be an array of permission options with an optionId' } };
      }
      if (open.size >= deps.maxOpen) {
        return { error: { code: -32603, message: `limit_exceeded: openPermissions allows ${deps.maxOpen} open requests of a session` } };
      }
      const request: PermissionRequested = {
        requestId: deps.newId(),
        toolCall: deps.redact(params['toolCall'] as ToolCallUpdate),
        options: deps.redact(options as PermissionOption[]),
      };
      const answered = new Promise<RpcResponse>((resolve) => {
        open.set(request.requestId, { rpcId, turnId, request, answer: resolve, settling: false });
      });
      try {
        await deps.writer.append({ events: [event(turnId, 'permission_requested', request)] });
      } catch (error) {
        // Not in the log, so its end must not be either.
        open.delete(request.requestId);
        throw error;
      }
      const choice = await deps.rule({ ...request, sessionId: deps.sessionId });
      const entry = open.get(request.requestId);
      if (choice !== undefined && entry && !entry.settling) {
        const known = choice === null || request.options.some((option) => option.optionId === choice);
        await settle(entry, known ? choice : null, 'rule');
      }
      return answered;
    },

    async respond(requestId, optionId) {
      const entry = open.get(requestId);
      if (!entry) {
        throw invalid(
          `Session "${deps.sessionId}" has no open permission request "${requestId}"; it was answered, or its turn has ended.`,
          { requestId },
        );
      }
      if (optionId !== null && !entry.request.options.some((option) => option.optionId === optionId)) {
        const known = entry.request.options.map((option) => `"${option.optionId}"`).join(', ');
        throw invalid(`Permission request "${requestId}" has no option "${optionId}"; it offers ${known}. The request stays open.`, {
          requestId,
          optionId,
        });
      }
      await settle(entry, optionId, 'person');
    },

    async withdraw(rpcId) {
      for (const entry of open.values()) if (entry.rpcId === rpcId && !entry.settling) await settle(entry, null, 'end');
    },

    cancelAll() {
      const events: NewEvent[] = [];
      for (const [requestId, entry] of open) {
        open.delete(requestId);
        // One that is being stored as answered has its event already.
        if (!entry.settling) events.push(ended(entry));
        entry.answer(CANCELLED);
      }
      return events;
    },

    get open() {
      return [...open.values()].map((entry) => entry.request);
    },
  };
}
