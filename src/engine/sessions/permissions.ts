/**
 * What the agent asks a person and waits for: permissions and elicitations. Question and answer are events, and the answer is
 * stored before it is given. A question that nobody can answer any more is cancelled.
 */
import type { PermissionOption, ToolCallUpdate } from '@agentclientprotocol/sdk';
import { invalid } from '../errors.ts';
import type { Limits } from '../limits.ts';
import type { Fields } from '../objects.ts';
import { RPC } from '../protocol/agent-protocol.ts';
import type { RpcResponse } from '../protocol/json-rpc.ts';
import { endOfQuestion, type NewEvent, type QuestionKind } from '../storage/statements.ts';
import type { SessionWriter } from '../storage/writer.ts';
import type { ElicitationRequested, ElicitationResolved, PermissionRequested, PermissionResolved } from '../types.ts';
import type { Config } from './config.ts';

interface Open {
  readonly turnId: string | null;
  readonly requestId: string;
  readonly kind: QuestionKind;
  /** Of a permission. */
  readonly request: PermissionRequested | null;
  readonly answer: (response: RpcResponse) => void;
  /** The response for the agent. */
  readonly answered: Promise<RpcResponse>;
  /** Aborted when an answer is no longer wanted. */
  readonly unwanted: AbortController;
  /** Set while an answer is being stored, so that a second one is refused. */
  settling: boolean;
}

export interface PermissionParts {
  readonly config: Pick<Config, 'permission' | 'clock' | 'newId'> & { readonly limits: Pick<Limits, 'openPermissions'> };
  readonly context: { readonly sessionId: string; readonly redact: <T>(value: T) => T };
  readonly writer: Pick<SessionWriter, 'append'>;
}

const CANCELLED: Readonly<Record<QuestionKind, RpcResponse>> = {
  permission: { result: { outcome: { outcome: 'cancelled' } } },
  elicitation: { result: { action: 'cancel' } },
};
export const cancelled = (kind: QuestionKind): RpcResponse => CANCELLED[kind];

/**
 * The options to choose from, or what is wrong with them. An answer is an id: of two options with the same id one is offered, and two of
 * different kinds are refused, since an answer meant to reject might allow.
 */
function optionsOf(options: unknown): PermissionOption[] | string {
  if (!Array.isArray(options) || !options.every((option) => typeof (option as PermissionOption | null)?.optionId === 'string'))
    return 'options must be an array of permission options with an optionId';
  const byId = new Map<string, PermissionOption>();
  for (const option of options as PermissionOption[]) {
    const first = byId.get(option.optionId) ?? option;
    if (first.kind !== option.kind)
      return `two options of different kinds have the optionId "${option.optionId}": an answer would not tell them apart`;
    byId.set(option.optionId, first);
  }
  return [...byId.values()];
}

export type Permissions = ReturnType<typeof createPermissions>;

export function createPermissions({ config, context, writer }: PermissionParts) {
  const { sessionId, redact } = context;
  const open = new Map<string, Open>();

  const ended = (entry: Open): NewEvent => endOfQuestion(entry, config.clock());

  /** Stores the question, has it answered, and gives the agent's response. */
  async function raise(
    { turnId, kind }: Pick<Open, 'turnId' | 'kind'>,
    withdrawn: AbortSignal,
    asked: Omit<PermissionRequested | ElicitationRequested, 'requestId'>,
    answerOf: (entry: Open) => Promise<void>,
  ): Promise<RpcResponse> {
    const { openPermissions } = config.limits;
    if (open.size >= openPermissions)
      return {
        error: { code: RPC.internal, message: `limit_exceeded: openPermissions allows ${openPermissions} open requests of a session` },
      };
    const requestId = config.newId();
    const payload = { requestId, ...redact(asked) };
    const { promise: answered, resolve: answer } = Promise.withResolvers<RpcResponse>();
    const request = kind === 'permission' ? (payload as PermissionRequested) : null;
    const entry: Open = { turnId, requestId, kind, request, answer, answered, unwanted: new AbortController(), settling: false };
    open.set(requestId, entry);
    const withdrawal = new Promise<never>((_, failed) => {
      withdrawn.addEventListener('abort', () => isOpen(entry) && void settle(entry, null).catch(failed), { once: true });
    });
    // Nobody waits for it where the question could not be stored, either.
    withdrawal.catch(() => undefined);
    try {
      await writer.append({ events: [{ kind: `${kind}_requested`, turnId, at: config.clock(), origin: 'agent', payload } as NewEvent] });
    } catch (error) {
      // Not in the log, so its end must not be either.
      open.delete(requestId);
      throw error;
    }
    const mine = isOpen(entry) ? answerOf(entry) : Promise.resolve();
    return Promise.race([mine.then(() => answered), withdrawal]);
  }

  const isOpen = ({ requestId, settling }: Open): boolean => open.has(requestId) && !settling;

  /** Stores the answer, then gives it; null cancels. False where it was cancelled while its answer was being stored. */
  async function settle(
    entry: Open,
    given: Omit<PermissionResolved, 'requestId'> | Omit<ElicitationResolved, 'requestId'> | null,
    response: RpcResponse = CANCELLED[entry.kind],
  ): Promise<boolean> {
    const { requestId, kind, turnId } = entry;
    if (entry.settling) throw invalid(`Permission request "${requestId}" is being answered already.`);
    entry.settling = true;
    const payload = { requestId, ...given };
    const event = given ? ({ kind: `${kind}_resolved`, turnId, at: config.clock(), origin: 'host', payload } as NewEvent) : ended(entry);
    try {
      await writer.append({ events: [event] });
    } catch (error) {
      entry.settling = false;
      throw error;
    }
    const isWanted = open.delete(requestId);
    if (isWanted) entry.answer(response);
    entry.unwanted.abort();
    return isWanted;
  }

  const choose = (entry: Open, optionId: string | null, by: PermissionResolved['by']): Promise<boolean> =>
    settle(entry, { optionId, by }, optionId === null ? undefined : { result: { outcome: { outcome: 'selected', optionId } } });

  const hasOption = ({ request }: Open, id: string | null): boolean =>
    id === null || !!request?.options.some(({ optionId }) => optionId === id);

  return {
    /** Asks the rule; when that leaves it open, a person. */
    async ask(withdrawn: AbortSignal, { toolCall, options }: Fields, turnId: string | null): Promise<RpcResponse> {
      const offered = optionsOf(options);
      if (typeof offered === 'string') return { error: { code: RPC.invalidParams, message: `Invalid params: ${offered}` } };
      const asked = { toolCall: toolCall as ToolCallUpdate, options: offered };
      return raise({ turnId, kind: 'permission' }, withdrawn, asked, async (entry) => {
        const rule = config.permission({ ...(entry.request as PermissionRequested), sessionId });
        // A rule may ask a person: it is not waited for once the request is answered otherwise.
        const choice = await Promise.race([rule, entry.answered.then(() => undefined)]);
        if (choice !== undefined && isOpen(entry)) await choose(entry, hasOption(entry, choice) ? choice : null, 'rule');
      });
    },

    elicit(
      withdrawn: AbortSignal,
      { sessionId: _, ...question }: Fields,
      turnId: string | null,
      answerOf: (unwanted: AbortSignal) => Promise<RpcResponse>,
    ): Promise<RpcResponse> {
      return raise({ turnId, kind: 'elicitation' }, withdrawn, { question }, async (entry) => {
        const response = await Promise.race([answerOf(entry.unwanted.signal), entry.answered]);
        if (!isOpen(entry)) return;
        // That the client cannot answer is no reason for the agent to fail.
        if ('error' in response) await settle(entry, null);
        else await settle(entry, { answer: redact(response.result) as ElicitationResolved['answer'], by: 'client' }, response);
      });
    },

    /**
     * A person's answer to a permission request. Errors: `invalid_argument` for an unknown option, and the request stays open; for a request
     * that is not open, or was cancelled while the answer was being stored: the log says the answer and then the end, as the agent was told.
     */
    async respond(requestId: string, optionId: string | null): Promise<void> {
      const notOpen = (): Error =>
        invalid(`Session "${sessionId}" has no open permission request "${requestId}"; it was answered, or its turn has ended.`, {
          requestId,
        });
      const entry = open.get(requestId);
      if (!entry?.request) throw notOpen();
      if (!hasOption(entry, optionId)) {
        const known = entry.request.options.map((option) => `"${option.optionId}"`).join(', ');
        throw invalid(`Permission request "${requestId}" has no option "${optionId}"; it offers ${known}. The request stays open.`, {
          requestId,
          optionId,
        });
      }
      if (!(await choose(entry, optionId, 'person'))) throw notOpen();
    },

    /** The events are for the caller to store. */
    cancelAll(): NewEvent[] {
      const all = [...open.values()];
      open.clear();
      for (const { kind, answer, unwanted } of all) {
        answer(CANCELLED[kind]);
        unwanted.abort();
      }
      // Also where an answer is just being stored: it was not given.
      return all.map(ended);
    },

    get open(): readonly PermissionRequested[] {
      return [...open.values()].flatMap(({ request }) => request ?? []);
    },
  };
}
