/** The options of a host, checked once. */
import { invalid, RehydrateError } from '../errors.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import type { AgentLauncher, ClientServices, LeaseOwner, OwnerAlive, PreambleFiles, Secrets, SqlDatabase } from '../ports.ts';
import { randomId } from '../random-id.ts';
import { guarded } from '../storage/errors.ts';
import type { PermissionRequested, PreambleMode, ProtocolChoice, ResumePolicy } from '../types.ts';
import { withLimits } from '../with-limits.ts';
import { options } from './arguments.ts';
import { wrapCallbacks, type Callbacks } from './callbacks.ts';

/** Decides a permission request: returns an option's id, null to cancel the request, or undefined to ask a person. */
export type PermissionRule = (
  request: PermissionRequested & { readonly sessionId: string },
) => string | null | undefined | Promise<string | null | undefined>;

export interface PreambleOptions {
  /** Default `inline`. `resource` becomes `inline` for an agent that does not advertise `embeddedContext`. */
  readonly mode?: PreambleMode | undefined;
  /** Bytes of the transcript. Default `limits.transcriptBytes`. */
  readonly budget?: number | undefined;
  /** Needed for mode `file`. */
  readonly files?: PreambleFiles | undefined;
}

export interface HostOptions {
  readonly database: SqlDatabase;
  /** One launcher for all agents, or one for each agent's name. */
  readonly agents: AgentLauncher | Readonly<Record<string, AgentLauncher>>;
  /** Gives the values of environment variables and MCP secrets again at resume. Default: none are known. */
  readonly secrets?: Secrets | undefined;
  /**
   * Values to redact besides those that sessions were created with, such as what the agents inherit. They are treated like a session's own
   * secrets, but nothing of them is stored, not even their names.
   */
  readonly knownSecrets?: readonly { readonly name: string; readonly value: string }[] | undefined;
  /** Default `auto`. */
  readonly policy?: ResumePolicy | undefined;
  readonly preamble?: PreambleMode | PreambleOptions | undefined;
  /** Overrides of `DEFAULT_LIMITS`. */
  readonly limits?: Partial<Record<keyof Limits, number | undefined>> | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly clock?: (() => number) | undefined;
  /** Fresh, unguessable ids: one that the database has already is refused by it. Default: 128 random bits. */
  readonly newId?: (() => string) | undefined;
  /** The program's own redaction of transcripts, preambles and exports, on top of known secrets and token shapes. */
  readonly redact?: ((text: string) => string) | undefined;
  /** Whether the owner of a lease is still there. Default: what the database's adapter knows. */
  readonly ownerAlive?: OwnerAlive | undefined;
  /** `ask` (default) waits for `respondPermission`; `allow` and `reject` choose that option of the agent's. */
  readonly permission?: 'ask' | 'allow' | 'reject' | PermissionRule | undefined;
  /**
   * What agents may ask of this host beyond permissions: files, terminals. A function gets an agent's name and gives that agent's services,
   * since an agent on another disk must not be offered this one. Default: nothing.
   */
  readonly client?: ClientServices | ((agent: string) => ClientServices | undefined) | undefined;
  /**
   * What happens when `limits.liveSessions` sessions are live and another is wanted: `refuse` (default), or `end-idlest`, which ends the
   * agent of the session that has not been used for longest. An agent in a turn, or with a `request` to answer, is never ended.
   */
  readonly whenFull?: 'refuse' | 'end-idlest' | undefined;
  /**
   * Which version of ACP is spoken with agents: `v1` (default), `v2`, which is still a draft, or `newest`, the newest that the agent
   * speaks. A session that was begun in one version goes on in the other.
   */
  readonly protocol?: ProtocolChoice | undefined;
  /**
   * Whether a directory exists. `update` moves a session only away from a directory that is gone, and a session whose directory is gone
   * gets no idle agent process. By default neither is checked. On Node: `directoryExists` of `acp-rehydrate/node`.
   */
  readonly directoryExists?: ((path: string) => boolean | Promise<boolean>) | undefined;
  /**
   * Whether two paths lead to the same directory. Paths that differ only in repeated separators, `.` and a trailing separator always do; by
   * default only those. On Node: `sameDirectory` of `acp-rehydrate/node`, which follows links.
   */
  readonly sameDirectory?: ((a: string, b: string) => boolean | Promise<boolean>) | undefined;
}

export interface Config
  extends Required<Pick<HostOptions, 'database' | 'knownSecrets' | 'policy' | 'clock' | 'whenFull' | 'protocol'>>, Callbacks {
  readonly launcher: AgentLauncher;
  /** Error: `agent_not_found`. Does nothing with a single launcher for all agents, which only a start can ask. */
  readonly checkAgent: (name: string) => void;
  readonly preamble: Pick<PreambleOptions, 'mode' | 'budget'>;
  readonly limits: Limits;
  readonly owner: LeaseOwner;
}

const NEEDED: readonly (keyof HostOptions)[] = ['database', 'agents'];
const OPTIONAL: readonly (keyof HostOptions)[] = [
  'secrets', 'knownSecrets', 'policy', 'preamble', 'limits', 'clock', 'newId', 'redact', 'ownerAlive',
  'permission', 'client', 'whenFull', 'protocol', 'sameDirectory', 'directoryExists',
]; // prettier-ignore
export const HOST_OPTIONS = [...NEEDED, ...OPTIONAL];

export function configure(asGiven: HostOptions): Config {
  const given = options('createHost', asGiven, NEEDED, OPTIONAL, DEFAULT_LIMITS) as HostOptions;
  const { owners } = given.database;
  const preamble: PreambleOptions = typeof given.preamble === 'string' ? { mode: given.preamble } : (given.preamble ?? {});
  options('preamble', preamble, [], ['mode', 'budget', 'files'], DEFAULT_LIMITS);
  for (const known of given.knownSecrets ?? []) options('Each of knownSecrets', known, ['name', 'value'], [], DEFAULT_LIMITS);
  if (preamble.mode === 'file' && !preamble.files)
    throw invalid('The preamble mode "file" needs preamble.files, a place to write it; on Node use preambleFiles() of acp-rehydrate/node.');
  const { database, knownSecrets = [], policy = 'auto', whenFull = 'refuse', protocol = 'v1' } = given;
  const limits = withLimits(DEFAULT_LIMITS, given.limits);
  const { secrets, sameDirectory, directoryExists, redact, client } = given;
  const { newId = randomId, ownerAlive = owners?.alive ?? (() => 'unknown' as const) } = given;
  const { files } = preamble;
  const permission = permissionRule(given.permission ?? 'ask');
  const functions = { newId, ownerAlive, secrets, sameDirectory, directoryExists, redact, permission, client, files };
  const callbacks = wrapCallbacks(functions, limits.callbackMs);
  return {
    database: guarded(database),
    knownSecrets,
    policy,
    whenFull,
    protocol,
    limits,
    ...callbacks,
    preamble,
    clock: wholeClock(given.clock ?? Date.now),
    ...(isLauncher(given.agents) ? { launcher: given.agents, checkAgent: () => undefined } : byName(given.agents)),
    owner: { ...(owners?.self ?? { kind: 'host' }), hostId: callbacks.newId() },
  };
}

/** Whole milliseconds, as they are stored. A clock that later fails gives its last time again, since no turn must fail for that. */
function wholeClock(clock: () => number): () => number {
  const read = () => Math.floor(clock());
  let last: number;
  try {
    last = read();
  } catch (error) {
    throw invalid(`clock must return milliseconds since 1970; it threw ${String(error)}.`);
  }
  if (!Number.isSafeInteger(last)) throw invalid(`clock must return milliseconds since 1970; it returned ${String(last)}.`);
  return () => {
    try {
      const now = read();
      if (Number.isSafeInteger(now)) last = now;
    } catch {
      // See above.
    }
    return last;
  };
}

function permissionRule(permission: 'ask' | 'allow' | 'reject' | PermissionRule): PermissionRule {
  if (typeof permission === 'function') return permission;
  return ({ options }) => {
    if (permission === 'ask') return undefined;
    const optionOf = (duration: string) => options.find(({ kind }) => kind === `${permission}_${duration}`)?.optionId;
    return optionOf('once') ?? optionOf('always') ?? null;
  };
}

function isLauncher(agents: HostOptions['agents']): agents is AgentLauncher {
  return typeof (agents as { launch?: unknown }).launch === 'function';
}

function byName(agents: Readonly<Record<string, AgentLauncher>>): Pick<Config, 'launcher' | 'checkAgent'> {
  const find = (name: string): AgentLauncher => {
    if (Object.hasOwn(agents, name)) return agents[name] as AgentLauncher;
    const known = Object.keys(agents)
      .map((name) => `"${name}"`)
      .join(', ');
    throw new RehydrateError(
      'agent_not_found',
      `There is no agent "${name}" here; known: ${known || 'none'}. Use one of them, or add it to the host's agents.`,
      { agent: name },
    );
  };
  return { launcher: { launch: async (spec, options) => find(spec.agent).launch(spec, options) }, checkAgent: (name) => void find(name) };
}
