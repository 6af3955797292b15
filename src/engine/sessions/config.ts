/** What a host is made of, checked once. */
import type {
  AgentLauncher,
  AgentProcess,
  AgentSpec,
  ClientServices,
  LeaseOwner,
  OwnerAlive,
  PreambleFiles,
  Secrets,
  SqlDatabase,
} from '../ports.ts';
import type { ContentBlock, PermissionRequested, PreambleMode, ProtocolChoice, ResumePolicy, SessionInfo } from '../types.ts';
import type { McpServer } from '@agentclientprotocol/sdk';
import { RehydrateError } from '../errors.ts';
import { exceeds } from '../exceeds.ts';
import { isDeeper } from '../protocol/bounded.ts';
import { PROTOCOL_CHOICES } from '../protocol/versions.ts';
import { DEFAULT_LIMITS, FIXED_LIMITS, type Limits } from '../limits.ts';
import { randomId } from '../random-id.ts';
import { checkServers } from './secrets.ts';
import { withLimits } from '../with-limits.ts';

/** Decides a permission request: an option's id, null to refuse by cancelling, undefined to ask a person. */
export type PermissionRule = (
  request: PermissionRequested & { readonly sessionId: string },
) => string | null | undefined | Promise<string | null | undefined>;

export interface PreambleOptions {
  /** Default `inline`. `resource` becomes `inline` for an agent that does not advertise `embeddedContext`. */
  readonly mode?: PreambleMode;
  /** Bytes of the transcript. Default `limits.transcriptBytes`. */
  readonly budget?: number;
  /** Needed for mode `file`. */
  readonly files?: PreambleFiles;
}

export interface HostOptions {
  readonly database: SqlDatabase;
  /** One launcher for all agents, or one for each agent's name. */
  readonly agents: AgentLauncher | Readonly<Record<string, AgentLauncher>>;
  /** Where values of environment variables and MCP secrets come back from at resume. Default: nowhere. */
  readonly secrets?: Secrets;
  /**
   * Values to redact beside those that sessions were created with: what the agents inherit, say. They are
   * treated like a session's own secrets, but nothing of them is stored, not even the name.
   */
  readonly knownSecrets?: readonly { readonly name: string; readonly value: string }[];
  /** Default `auto`. */
  readonly policy?: ResumePolicy;
  readonly preamble?: PreambleMode | PreambleOptions;
  /** Overrides of `DEFAULT_LIMITS`. */
  readonly limits?: Partial<Limits>;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly clock?: () => number;
  /** Fresh, unguessable ids. Default: 128 random bits. */
  readonly newId?: () => string;
  /** Redacts more than the known secrets and token shapes, in transcripts and preambles. */
  readonly redact?: (text: string) => string;
  /** Whether another lease owner is still there. Default: what the database's adapter knows. */
  readonly ownerAlive?: OwnerAlive;
  /** `ask` (default) waits for `respondPermission`; `allow` and `reject` take the agent's own such option. */
  readonly permission?: 'ask' | 'allow' | 'reject' | PermissionRule;
  /**
   * What agents may ask of this host beyond permissions: files, terminals. A function gives each agent its
   * own, by its name: an agent on another disk must not be offered this one. Default: nothing.
   */
  readonly client?: ClientServices | ((agent: string) => ClientServices | undefined);
  /**
   * What happens when `limits.liveSessions` are live and another is wanted: `refuse` (default), or `end-idlest`, which ends the
   * agent of the session that was not used for longest. One in a turn is never ended.
   */
  readonly whenFull?: 'refuse' | 'end-idlest';
  /**
   * Which version of ACP is spoken with agents: `v1` (default), `v2`, which is a draft still, or `newest`, the newest that an agent
   * speaks. A session that was begun under one goes on under the other.
   */
  readonly protocol?: ProtocolChoice;
  /** Whether a directory is there, for `update`: a session moves only from one that is gone. Default: whoever asks is believed. On Node: `directoryExists` of `acp-rehydrate/node`. */
  readonly directoryExists?: (path: string) => boolean | Promise<boolean>;
  /** Whether two paths lead to one directory, for `open`. Default: when they are the same text. On Node: `sameDirectory` of `acp-rehydrate/node`. */
  readonly sameDirectory?: (a: string, b: string) => boolean | Promise<boolean>;
}

/** Names the options that are known, and refuses the others: a word that is misspelt must not be silently nothing. */
export function checkOptions(call: string, options: unknown, known: readonly string[]): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || options === null || Array.isArray(options)) throw invalid(`${call} takes its options as an object.`);
  if (typeof (options as { then?: unknown }).then === 'function') throw invalid(`${call} was given a promise; await it first.`);
  const unknown = Object.keys(options).filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw invalid(`${call} has no option ${unknown.map((name) => `"${name}"`).join(', ')}; it knows ${known.join(', ') || 'none'}.`, {
      options: unknown,
    });
}

/** What may be given to a single call. */
export interface PromptOptions {
  /**
   * Makes the prompt safe to repeat: the same key with the same content joins the running turn or gives
   * the stored result; with other content it is `idempotency_conflict`. Unique per session.
   */
  readonly idempotencyKey?: string;
  /** Further parameters of the agent's `session/prompt`, `_meta` among them. They are not stored. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** Overrides the host's policy for this prompt. */
  readonly policy?: ResumePolicy;
  /**
   * Aborting cancels the turn, or the resume before it. A call that joined another's turn only stops waiting: it rejects
   * with the signal's reason, and the turn goes on.
   */
  readonly signal?: AbortSignal;
  /** Is asked what the agent asks from now on, until another call names another. */
  readonly client?: ClientServices;
}

export interface ResumeOptions {
  readonly policy?: ResumePolicy;
  readonly signal?: AbortSignal;
  readonly client?: ClientServices;
}

export interface CreateOptions {
  /** The agent's name, as the launcher knows it. */
  readonly agent: string;
  /** Absolute. */
  readonly cwd: string;
  /** Default: a fresh id. */
  readonly sessionId?: string;
  /** Values for the agent's environment. Only their names are stored. */
  readonly env?: Readonly<Record<string, string>>;
  /** Stored without the values of their environment and headers. */
  readonly mcpServers?: readonly McpServer[];
  readonly additionalDirectories?: readonly string[];
  /**
   * Further parameters of the agent's `session/new`, `_meta` among them. They are not stored; for as long as the host lives the agent is
   * given them again when it wakes.
   */
  readonly params?: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal;
  /** Is asked what the agent asks, until another call names another. */
  readonly client?: ClientServices;
}

export interface SessionChanges {
  /** Shown instead of the agent's own title; null shows the agent's again. */
  readonly title?: string | null;
  /** Whatever the program wants to keep with the session: a JSON object of at most 16 KiB. Null removes it. */
  readonly metadata?: Readonly<Record<string, unknown>> | null;
  /** Where the agent works from its next wake on: when the old directory was moved, say. */
  readonly cwd?: string;
  /**
   * The MCP servers from the next wake on, all of them: those that are not in the list are gone, and a value goes only to the server it
   * stands with here. Values are kept in memory only. A live agent keeps the servers it has; `close` the session to change them at once.
   */
  readonly mcpServers?: readonly McpServer[];
  /** All of them, from the next wake on. Absolute. */
  readonly additionalDirectories?: readonly string[];
}

export interface ForkOptions {
  /** The fork's id. Default: a fresh one. */
  readonly sessionId?: string;
  /** The last event it has of the original. Default: all there is. */
  readonly after?: number;
  /** Another agent makes it a handoff. */
  readonly agent?: string;
  readonly cwd?: string;
}

export interface AdoptOptions {
  readonly agent: string;
  /** The agent's own id of the session. */
  readonly agentSessionId: string;
  readonly cwd: string;
  /** Default: a fresh one. The agent's own id will do, where the client knows the session by it. */
  readonly sessionId?: string;
  readonly mcpServers?: readonly McpServer[];
}

export interface DescribeOptions {
  readonly cwd?: string;
  readonly client?: ClientServices;
  readonly signal?: AbortSignal;
}

export interface AgentSessionsOptions extends DescribeOptions {
  readonly agent: string;
  /** Only those in this directory. */
  readonly cwd?: string;
  /** `nextCursor` of the page before. */
  readonly cursor?: string;
}

/** What became of a session since it was last told of. */
export type SessionChange =
  | { readonly kind: 'created' | 'changed'; readonly sessionId: string; readonly info: SessionInfo }
  | { readonly kind: 'deleted'; readonly sessionId: string };

/** The options with everything filled in. */
export interface Config {
  readonly database: SqlDatabase;
  readonly launcher: AgentLauncher;
  readonly secrets: Secrets;
  readonly knownSecrets: readonly { readonly name: string; readonly value: string }[];
  readonly policy: ResumePolicy;
  readonly preamble: PreambleOptions;
  readonly limits: Limits;
  readonly clock: () => number;
  readonly newId: () => string;
  readonly redact: ((text: string) => string) | undefined;
  readonly ownerAlive: OwnerAlive;
  readonly permission: PermissionRule;
  readonly clientFor: (agent: string) => ClientServices | undefined;
  readonly whenFull: 'refuse' | 'end-idlest';
  readonly protocol: ProtocolChoice;
  readonly sameDirectory: (a: string, b: string) => boolean | Promise<boolean>;
  readonly directoryExists: (path: string) => boolean | Promise<boolean>;
  readonly owner: LeaseOwner;
}

const POLICIES: readonly string[] = ['auto', 'strict', 'transcript'];
const MODES: readonly string[] = ['resource', 'inline', 'file'];

export function configure(options: HostOptions): Config {
  const newId = options.newId ?? randomId;
  const preamble = typeof options.preamble === 'string' ? { mode: options.preamble } : (options.preamble ?? {});
  checkPolicy(options.policy);
  checkPreambleMode(preamble.mode, preamble.files);
  const limits = withLimits(DEFAULT_LIMITS, options.limits);
  const owners = options.database.owners;
  return {
    database: options.database,
    launcher: isLauncher(options.agents) ? options.agents : byName(options.agents),
    secrets: options.secrets ?? (() => undefined),
    knownSecrets: options.knownSecrets ?? [],
    policy: options.policy ?? 'auto',
    preamble,
    limits,
    clock: wholeClock(options.clock ?? Date.now),
    newId,
    redact: options.redact,
    ownerAlive: options.ownerAlive ?? owners?.alive ?? (() => 'unknown' as const),
    permission: permissionRule(options.permission ?? 'ask'),
    clientFor: eachOnce(options.client),
    whenFull: oneOf('whenFull', options.whenFull, ['refuse', 'end-idlest']),
    protocol: oneOf('protocol', options.protocol, PROTOCOL_CHOICES),
    sameDirectory: options.sameDirectory ?? ((a, b) => a === b),
    directoryExists: options.directoryExists ?? (() => false),
    owner: { ...(owners?.self ?? { kind: 'host' }), hostId: newId() },
  };
}

/** One of the words that an option may be; the first is its default. */
function oneOf<T extends string>(name: string, value: T | undefined, words: readonly T[]): T {
  if (value === undefined) return words[0] as T;
  if (words.includes(value)) return value;
  throw invalid(`${name} is ${JSON.stringify(value)}; use ${words.slice(0, -1).join(', ')} or ${words.at(-1)}.`);
}

/** Whole milliseconds, as they are stored. What is no time counts as none having passed: a turn must not fail for it. */
function wholeClock(clock: () => number): () => number {
  let last = Math.floor(clock());
  if (!Number.isSafeInteger(last)) throw invalid(`clock must return milliseconds since 1970; it returned ${String(last)}.`);
  return () => {
    const now = Math.floor(clock());
    if (Number.isSafeInteger(now)) last = now;
    return last;
  };
}

export function checkPolicy(policy: unknown): asserts policy is ResumePolicy | undefined {
  if (policy !== undefined && !POLICIES.includes(policy as string)) {
    throw invalid(`The policy ${JSON.stringify(policy)} is unknown; use auto, strict or transcript.`);
  }
}

export function checkPreambleMode(mode: unknown, files: PreambleFiles | undefined): asserts mode is PreambleMode | undefined {
  if (mode === undefined) return;
  if (!MODES.includes(mode as string)) throw invalid(`The preamble mode ${JSON.stringify(mode)} is unknown; use resource, inline or file.`);
  if (mode === 'file' && !files)
    throw invalid('The preamble mode "file" needs preamble.files, a place to write it; on Node use preambleFiles() of acp-rehydrate/node.');
}

export function invalid(message: string, data: Readonly<Record<string, unknown>> = {}): RehydrateError {
  return new RehydrateError('invalid_argument', message, data);
}

export const hostClosed = (): RehydrateError =>
  new RehydrateError('host_closed', 'This host sleeps; nothing can be done with it any more. Open another one on the same database.');

/** The prompt as content blocks. Errors: `invalid_argument` when there is nothing in it, `limit_exceeded`. */
export function checkPrompt(content: string | readonly ContentBlock[], limits: Limits): readonly ContentBlock[] {
  if (typeof (content as { then?: unknown } | null)?.then === 'function') throw invalid('The prompt is a promise; await it first.');
  const blocks = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content;
  if (!Array.isArray(blocks)) throw invalid('A prompt is a string or an array of ACP content blocks.');
  for (const [index, block] of blocks.entries()) {
    if (typeof block !== 'object' || block === null || typeof (block as { type?: unknown }).type !== 'string') {
      throw invalid(`Block ${index} of the prompt is no ACP content block: it has no type.`);
    }
    if (block.type === 'text' && typeof block.text !== 'string')
      throw invalid(`Block ${index} of the prompt is a text block without text.`);
  }
  if (blocks.every((block) => block.type === 'text' && block.text.trim() === '')) {
    throw invalid('The prompt is empty. Write what the agent should do.');
  }
  const json = promptJson(blocks);
  const bytes = new TextEncoder().encode(json).length;
  if (bytes > limits.promptBytes) {
    throw new RehydrateError(
      'limit_exceeded',
      `The prompt has ${bytes} bytes; promptBytes allows ${limits.promptBytes}. Send less, or name a file instead of its content.`,
      {
        limit: 'promptBytes',
        allowed: limits.promptBytes,
        actual: bytes,
      },
    );
  }
  // A copy: what the caller changes later is not in the log, so the agent does not get it either.
  const copy = JSON.parse(json) as readonly ContentBlock[];
  if (isDeeper(copy, PROMPT_LEVELS)) throw tooDeep();
  return copy;
}

/** What is stored around a block nests, too. */
const PROMPT_LEVELS = FIXED_LIMITS.nestedLevels - 10;

function tooDeep(): RehydrateError {
  return new RehydrateError(
    'limit_exceeded',
    `The prompt nests deeper than ${PROMPT_LEVELS} levels (nestedLevels). Send it as text, or name a file instead.`,
    { limit: 'nestedLevels', allowed: PROMPT_LEVELS },
  );
}

/** Further parameters of a call: an object, within the limits of a prompt. A copy, as of the prompt. */
export function checkParams(params: unknown, limits: Limits): Readonly<Record<string, unknown>> | undefined {
  if (params === undefined) return undefined;
  if (typeof params !== 'object' || params === null || Array.isArray(params)) throw invalid('params is an object.');
  const json = promptJson(params);
  if (exceeds(limits.promptBytes, json))
    throw new RehydrateError('limit_exceeded', `params is larger than promptBytes (${limits.promptBytes}) allows. Send less.`, {
      limit: 'promptBytes',
      allowed: limits.promptBytes,
    });
  const copy = JSON.parse(json) as Record<string, unknown>;
  if (isDeeper(copy, PROMPT_LEVELS)) throw tooDeep();
  return copy;
}

function promptJson(value: object): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (error instanceof RangeError) throw tooDeep();
    throw invalid(`The prompt cannot be written as JSON: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

function permissionRule(permission: 'ask' | 'allow' | 'reject' | PermissionRule): PermissionRule {
  if (typeof permission === 'function') return permission;
  const kinds = { ask: [], allow: ['allow_once', 'allow_always'], reject: ['reject_once', 'reject_always'] }[permission];
  if (!kinds) throw invalid(`The permission setting ${JSON.stringify(permission)} is unknown; use ask, allow, reject or a function.`);
  if (permission === 'ask') return () => undefined;
  return ({ options }) => {
    for (const kind of kinds) {
      const option = options.find((candidate) => candidate.kind === kind);
      if (option) return option.optionId;
    }
    return null;
  };
}

/** One set of services for each agent, however often it is asked for: they hold terminals. */
function eachOnce(client: HostOptions['client']): Config['clientFor'] {
  if (typeof client !== 'function') return () => client;
  const made = new Map<string, ClientServices | undefined>();
  return (agent) => {
    if (!made.has(agent)) made.set(agent, client(agent));
    return made.get(agent);
  };
}

function isLauncher(agents: HostOptions['agents']): agents is AgentLauncher {
  return typeof (agents as { launch?: unknown }).launch === 'function';
}

function byName(agents: Readonly<Record<string, AgentLauncher>>): AgentLauncher {
  return {
    launch(spec: AgentSpec, options): Promise<AgentProcess> {
      const launcher = Object.hasOwn(agents, spec.agent) ? agents[spec.agent] : undefined;
      if (!launcher) {
        const known =
          Object.keys(agents)
            .map((name) => `"${name}"`)
            .join(', ') || 'none';
        return Promise.reject(
          new RehydrateError(
            'agent_not_found',
            `There is no agent "${spec.agent}" here; known: ${known}. Use one of them, or add it to the host's agents.`,
            { agent: spec.agent },
          ),
        );
      }
      return launcher.launch(spec, options);
    },
  };
}

export const HOST_OPTIONS: readonly (keyof HostOptions)[] = [
  'database', 'agents', 'secrets', 'knownSecrets', 'policy', 'preamble', 'limits', 'clock', 'newId', 'redact', 'ownerAlive',
  'permission', 'client', 'whenFull', 'protocol', 'sameDirectory', 'directoryExists',
]; // prettier-ignore

export const CREATE_OPTIONS: readonly (keyof CreateOptions)[] = [
  'agent', 'cwd', 'sessionId', 'env', 'mcpServers', 'additionalDirectories', 'params', 'signal', 'client',
]; // prettier-ignore

/** A session id as it is given to any call. */
export function checkId(sessionId: unknown): asserts sessionId is string {
  if (typeof sessionId === 'string') return;
  const promise = typeof (sessionId as { then?: unknown } | null | undefined)?.then === 'function';
  throw invalid(
    promise
      ? 'A session id is a string; it is a promise. Await it first.'
      : `A session id is a string; it is ${JSON.stringify(sessionId)}.`,
  );
}

const isAbsolute = (path: unknown): boolean => typeof path === 'string' && /^(\/|[A-Za-z]:[\\/]|\\\\)/.test(path);

export function checkCreate(options: CreateOptions): void {
  if (typeof options?.agent !== 'string' || options.agent === '') throw invalid('create needs the name of an agent.');
  if (!isAbsolute(options.cwd)) throw invalid(`create needs cwd as an absolute path; it is ${JSON.stringify(options.cwd)}.`);
  const { additionalDirectories = [] } = options;
  if (!Array.isArray(additionalDirectories) || !additionalDirectories.every(isAbsolute))
    throw invalid(`additionalDirectories is a list of absolute paths; it is ${JSON.stringify(additionalDirectories)}.`);
  const { sessionId } = options;
  if (sessionId !== undefined) checkId(sessionId);
  if (sessionId !== undefined && (sessionId === '' || sessionId.length > 256 || sessionId.includes('\0') || !sessionId.isWellFormed())) {
    throw invalid(`A session id is a well-formed string of 1 to 256 characters; it is ${JSON.stringify(sessionId)}.`);
  }
  for (const [name, value] of Object.entries(options.env ?? {})) {
    if (typeof value !== 'string') throw invalid(`The environment value ${name} must be a string.`);
  }
  if (options.mcpServers !== undefined) checkServers(options.mcpServers);
}
