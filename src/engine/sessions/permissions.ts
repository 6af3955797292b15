/**
 * What the agent asks a person: permissions and elicitations. Question and answer are events, and the answer is stored before the agent
 * gets it. A question that nobody can answer any more is cancelled.
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

interface Question {
  readonly turnId: string | null;
  readonly requestId: string;
  readonly kind: QuestionKind;
  /** Null for an elicitation. */
  readonly request: PermissionRequested | null;
  readonly answer: (response: RpcResponse) => void;
  readonly answered: Promise<RpcResponse>;
  readonly unwanted: AbortController;
  /** Whether an answer is being stored. A second one is then refused. */
  settling: boolean;
}

interface PermissionParts {
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
 * The options to choose from, or what is wrong with them. An answer names an option by its id. So of two options with the same id only one
 * is offered, and if they differ in kind the request is refused, since an answer meant to reject might allow.
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
  const open = new Map<string, Question>();

  const endOf = (question: Question): NewEvent => endOfQuestion(question, config.clock());

  /** Stores the question, has `settleBy` answer it unless somebody else does, and returns the response for the agent. */
  async function raise(
    { turnId, kind }: Pick<Question, 'turnId' | 'kind'>,
    withdrawn: AbortSignal,
    asked: Omit<PermissionRequested | ElicitationRequested, 'requestId'>,
    settleBy: (question: Question) => Promise<void>,
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
    const question: Question = { turnId, requestId, kind, request, answer, answered, unwanted: new AbortController(), settling: false };
    open.set(requestId, question);
    const withdrawal = new Promise<never>((_, failed) => {
      withdrawn.addEventListener('abort', () => isOpen(question) && void settle(question, null).catch(failed), { once: true });
    });
    // If the question cannot be stored, nobody awaits this.
    withdrawal.catch(() => undefined);
    try {
      await writer.append({ events: [{ kind: `${kind}_requested`, turnId, at: config.clock(), origin: 'agent', payload } as NewEvent] });
    } catch (error) {
      // The question is not in the log, so its end must not be either.
      open.delete(requestId);
      throw error;
    }
    const settling = isOpen(question) ? settleBy(question) : Promise.resolve();
    return Promise.race([settling.then(() => answered), withdrawal]);
  }

  const isOpen = ({ requestId, settling }: Question): boolean => open.has(requestId) && !settling;

  /** Stores the answer, then gives it to the agent; null cancels. False if the question was cancelled while its answer was being stored. */
  async function settle(
    question: Question,
    given: Omit<PermissionResolved, 'requestId'> | Omit<ElicitationResolved, 'requestId'> | null,
    response: RpcResponse = CANCELLED[question.kind],
  ): Promise<boolean> {
    const { requestId, kind, turnId } = question;
    if (question.settling) throw invalid(`Permission request "${requestId}" is being answered already.`);
    question.settling = true;
    const payload = { requestId, ...given };
    const event = given ? ({ kind: `${kind}_resolved`, turnId, at: config.clock(), origin: 'host', payload } as NewEvent) : endOf(question);
    try {
      await writer.append({ events: [event] });
    } catch (error) {
      question.settling = false;
      throw error;
    }
    const isWanted = open.delete(requestId);
    if (isWanted) question.answer(response);
    question.unwanted.abort();
    return isWanted;
  }

  const choose = (question: Question, optionId: string | null, by: PermissionResolved['by']): Promise<boolean> =>
    settle(question, { optionId, by }, optionId === null ? undefined : { result: { outcome: { outcome: 'selected', optionId } } });

  const hasOption = ({ request }: Question, id: string | null): boolean =>
    id === null || !!request?.options.some(({ optionId }) => optionId === id);

  return {
    /** Asks the rule, and a person when the rule does not decide. */
    async ask(withdrawn: AbortSignal, { toolCall, options }: Fields, turnId: string | null): Promise<RpcResponse> {
      const offered = optionsOf(options);
      if (typeof offered === 'string') return { error: { code: RPC.invalidParams, message: `Invalid params: ${offered}` } };
      const asked = { toolCall: toolCall as ToolCallUpdate, options: offered };
      return raise({ turnId, kind: 'permission' }, withdrawn, asked, async (question) => {
        const rule = config.permission({ ...(question.request as PermissionRequested), sessionId });
        // A rule may take its time, since it may ask a person. It is not waited for once the request is answered otherwise.
        const choice = await Promise.race([rule, question.answered.then(() => undefined)]);
        if (choice !== undefined && isOpen(question)) await choose(question, hasOption(question, choice) ? choice : null, 'rule');
      });
    },

    elicit(
      withdrawn: AbortSignal,
      { sessionId: _, ...asked }: Fields,
      turnId: string | null,
      askClient: (unwanted: AbortSignal) => Promise<RpcResponse>,
    ): Promise<RpcResponse> {
      return raise({ turnId, kind: 'elicitation' }, withdrawn, { question: asked }, async (question) => {
        const response = await Promise.race([askClient(question.unwanted.signal), question.answered]);
        if (!isOpen(question)) return;
        // A client that cannot answer cancels the question, so that the agent can go on.
        if ('error' in response) await settle(question, null);
        else await settle(question, { answer: redact(response.result) as ElicitationResolved['answer'], by: 'client' }, response);
      });
    },

    /**
     * A person's answer to a permission request. Error: `invalid_argument` for an unknown option, and then the request stays open; or for a
     * request that is not open. A request that was cancelled while its answer was being stored counts as not open: the log then has the
     * answer, and after it the end that the agent was told.
     */
    async respond(requestId: string, optionId: string | null): Promise<void> {
      const notOpen = (): Error =>
        invalid(`Session "${sessionId}" has no open permission request "${requestId}"; it was answered, or its turn has ended.`, {
          requestId,
        });
      const question = open.get(requestId);
      if (!question?.request) throw notOpen();
      if (!hasOption(question, optionId)) {
        const known = question.request.options.map((option) => `"${option.optionId}"`).join(', ');
        throw invalid(`Permission request "${requestId}" has no option "${optionId}"; it offers ${known}. The request stays open.`, {
          requestId,
          optionId,
        });
      }
      if (!(await choose(question, optionId, 'person'))) throw notOpen();
    },

    /** Returns the events, for the caller to store. */
    cancelAll(): NewEvent[] {
      const all = [...open.values()];
      open.clear();
      for (const { kind, answer, unwanted } of all) {
        answer(CANCELLED[kind]);
        unwanted.abort();
      }
      // Also for a question whose answer is being stored, since the agent does not get that answer.
      return all.map(endOf);
    },

    get open(): readonly PermissionRequested[] {
      return [...open.values()].flatMap(({ request }) => request ?? []);
    },
  };
}
