/**
 * What the agent asks of a person and waits for: permissions, and what it elicits. Question and answer are events; the answer is
 * stored before it is given. What nobody can answer any more is cancelled.
 */
import type { PermissionOption, ToolCallUpdate } from '@agentclientprotocol/sdk';
import { RPC } from '../protocol/agent-protocol.ts';
import type { RpcId, RpcResponse } from '../protocol/json-rpc.ts';
import { endOfQuestion, type NewEvent, type QuestionKind } from '../storage/statements.ts';
import type { SessionWriter, Work } from '../storage/writer.ts';
import type { ElicitationResolved, PermissionRequested, PermissionResolved } from '../types.ts';
import { invalid, type PermissionRule } from './config.ts';

interface Open {
  readonly rpcId: RpcId;
  readonly turnId: string | null;
  readonly requestId: string;
  readonly kind: QuestionKind;
  /** Of a permission: what is asked. */
  readonly request: PermissionRequested | null;
  readonly answer: (response: RpcResponse) => void;
  /** Aborted when its answer is not wanted any more. */
  readonly unwanted: AbortController;
  /** Set while an answer is being stored, so that a second one is refused. */
  settling: boolean;
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

const CANCELLED: Readonly<Record<QuestionKind, RpcResponse>> = {
  permission: { result: { outcome: { outcome: 'cancelled' } } },
  elicitation: { result: { action: 'cancel' } },
};
export const cancelled = (kind: QuestionKind): RpcResponse => CANCELLED[kind];

export type Permissions = ReturnType<typeof createPermissions>;

export function createPermissions(deps: PermissionDeps) {
  const { writer, redact } = deps;
  const open = new Map<string, Open>();

  const ended = ({ kind, turnId, requestId }: Open) => endOfQuestion(kind, requestId, turnId, deps.clock());

  /** Stores the question. Its promise is what the agent is answered. */
  async function raise(
    rpcId: RpcId,
    turnId: string | null,
    kind: QuestionKind,
    asked: Omit<PermissionRequested, 'requestId'> | { readonly question: Readonly<Record<string, unknown>> },
  ): Promise<{ readonly entry: Open; readonly answered: Promise<RpcResponse> } | RpcResponse> {
    if (open.size >= deps.maxOpen)
      return {
        error: { code: RPC.internal, message: `limit_exceeded: openPermissions allows ${deps.maxOpen} open requests of a session` },
      };
    const requestId = deps.newId();
    const payload = { requestId, ...redact(asked) };
    let entry!: Open;
    const answered = new Promise<RpcResponse>((answer) => {
      const request = kind === 'permission' ? (payload as PermissionRequested) : null;
      entry = { rpcId, turnId, requestId, kind, request, answer, unwanted: new AbortController(), settling: false };
    });
    open.set(requestId, entry);
    try {
      await writer.append({ events: [{ kind: `${kind}_requested`, turnId, at: deps.clock(), origin: 'agent', payload } as NewEvent] });
    } catch (error) {
      // Not in the log, so its end must not be either.
      open.delete(requestId);
      throw error;
    }
    return { entry, answered };
  }

  async function settle(
    entry: Open,
    resolved: Omit<PermissionResolved, 'requestId'> | Omit<ElicitationResolved, 'requestId'>,
    response: RpcResponse,
  ): Promise<void> {
    const { requestId, kind, turnId } = entry;
    if (entry.settling) throw invalid(`Permission request "${requestId}" is being answered already.`);
    entry.settling = true;
    const payload = { requestId, ...resolved };
    try {
      await writer.append({ events: [{ kind: `${kind}_resolved`, turnId, at: deps.clock(), origin: 'host', payload } as NewEvent] });
    } catch (error) {
      entry.settling = false;
      // `cancelAll` left its end to this answer, of which there is none now.
      if (!open.has(requestId)) deps.keepUnwritten(error, { events: [ended(entry)] });
      throw error;
    }
    // `cancelAll` may have answered it while this was being stored.
    if (open.delete(requestId)) entry.answer(response);
    entry.unwanted.abort();
  }

  const choose = (entry: Open, optionId: string | null, by: PermissionResolved['by']) =>
    settle(entry, { optionId, by }, optionId === null ? CANCELLED.permission : { result: { outcome: { outcome: 'selected', optionId } } });

  return {
    /** Stores the question, asks the rule, and resolves with what the agent is answered. */
    async ask(rpcId: RpcId, params: Readonly<Record<string, unknown>>, turnId: string | null): Promise<RpcResponse> {
      const options = params['options'];
      if (!Array.isArray(options) || !options.every((option) => typeof (option as PermissionOption | null)?.optionId === 'string')) {
        return {
          error: { code: RPC.invalidParams, message: 'Invalid params: options must be an array of permission options with an optionId' },
        };
      }
      const raised = await raise(rpcId, turnId, 'permission', {
        toolCall: params['toolCall'] as ToolCallUpdate,
        options: options as PermissionOption[],
      });
      if (!('entry' in raised)) return raised;
      const { entry, answered } = raised;
      const request = entry.request as PermissionRequested;
      const choice = await deps.rule({ ...request, sessionId: deps.sessionId });
      if (choice !== undefined && open.has(entry.requestId) && !entry.settling) {
        const known = choice === null || request.options.some((option) => option.optionId === choice);
        await choose(entry, known ? choice : null, 'rule');
      }
      return answered;
    },

    /** Stores the question, has the client answer it, and resolves with what the agent is answered. */
    async elicit(
      rpcId: RpcId,
      { sessionId: _, ...question }: Readonly<Record<string, unknown>>,
      turnId: string | null,
      answerOf: (unwanted: AbortSignal) => Promise<RpcResponse>,
    ): Promise<RpcResponse> {
      const raised = await raise(rpcId, turnId, 'elicitation', { question });
      if (!('entry' in raised)) return raised;
      const { entry, answered } = raised;
      const response = await Promise.race([answerOf(entry.unwanted.signal), answered]);
      if (open.has(entry.requestId) && !entry.settling) {
        // Whoever cannot answer has not answered: it is no error of the agent's.
        if ('error' in response) await settle(entry, { answer: null, by: 'end' }, CANCELLED.elicitation);
        else await settle(entry, { answer: redact(response.result) as ElicitationResolved['answer'], by: 'client' }, response);
      }
      return answered;
    },

    /** A person's answer to a permission request. Errors: `invalid_argument` for an unknown request or option; the request stays open. */
    async respond(requestId: string, optionId: string | null): Promise<void> {
      const entry = open.get(requestId);
      if (!entry?.request) {
        throw invalid(
          `Session "${deps.sessionId}" has no open permission request "${requestId}"; it was answered, or its turn has ended.`,
          { requestId },
        );
      }
      const { options } = entry.request;
      if (optionId !== null && !options.some((option) => option.optionId === optionId)) {
        const known = options.map((option) => `"${option.optionId}"`).join(', ');
        throw invalid(`Permission request "${requestId}" has no option "${optionId}"; it offers ${known}. The request stays open.`, {
          requestId,
          optionId,
        });
      }
      await choose(entry, optionId, 'person');
    },

    /** The agent withdrew its question. */
    async withdraw(rpcId: unknown): Promise<void> {
      for (const entry of open.values()) {
        if (entry.rpcId !== rpcId || entry.settling) continue;
        if (entry.kind === 'permission') await choose(entry, null, 'end');
        else await settle(entry, { answer: null, by: 'end' }, CANCELLED.elicitation);
      }
    },

    /** Answers everything open with `cancelled`; the events are for the caller to store. */
    cancelAll(): NewEvent[] {
      const events: NewEvent[] = [];
      for (const [requestId, entry] of open) {
        open.delete(requestId);
        // One that is being stored as answered has its event already.
        if (!entry.settling) events.push(ended(entry));
        entry.answer(CANCELLED[entry.kind]);
        entry.unwanted.abort();
      }
      return events;
    },

    get open(): readonly PermissionRequested[] {
      return [...open.values()].flatMap(({ request }) => request ?? []);
    },
  };
}
