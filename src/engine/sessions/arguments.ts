/** The arguments of each call of a host, as tables. They are checked once, on the way in; behind that they are what their types say. */
import { isObject } from '../objects.ts';
import { checkOptions, isVariable, refusePromise, shown } from '../check-options.ts';
import { aborted, invalid, RehydrateError } from '../errors.ts';

import { FIXED_LIMITS, type Limits } from '../limits.ts';
import { HOSTS_OWN_METHODS } from '../protocol/agent-protocol.ts';
import { isDeeper } from '../protocol/bounded.ts';
import { PROTOCOL_CHOICES } from '../protocol/versions.ts';
import { told } from '../storage/errors.ts';
import { exceeds, utf8Length } from '../transcript/text.ts';
import type { ContentBlock, PreambleMode, ResumePolicy } from '../types.ts';
import type { CreateOptions, Host } from './host.ts';
import { checkServers } from './secrets.ts';

export const hostClosed = (): RehydrateError =>
  new RehydrateError('host_closed', 'This host sleeps; nothing can be done with it any more. Open another one on the same database.');

// ---------------------------------------------------------------- one argument

/** Returns the value as the host uses it. Errors: `invalid_argument`, with the argument's name, and `limit_exceeded`. */
type Check = (value: unknown, name: string, limits: Limits) => unknown;

const checks =
  (accepts: (value: unknown) => boolean, expected: string): Check =>
  (value, name) => {
    if (accepts(value)) return value;
    throw invalid(`${name} must be ${expected}; it is ${shown(value)}.`);
  };

export function oneOf<T extends string>(values: readonly T[]): (value: unknown, name: string) => T {
  return checks((value) => values.includes(value as T), `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`) as never;
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
/** Anything else would come back changed from a database, which keeps text in UTF-8. */
const isWellFormed = (value: unknown): value is string => isText(value) && value.isWellFormed();

const id: Check = checks((value) => typeof value === 'string', 'a string');
export const isNewId = (value: unknown): value is string => isWellFormed(value) && value.length <= 256 && !value.includes('\0');
const newId = checks(isNewId, 'a well-formed string of 1 to 256 characters');
const text = checks(isWellFormed, 'a well-formed string that is not empty');
export const isAbsolute = (path: unknown): path is string =>
  isWellFormed(path) && /^(\/|[A-Za-z]:[\\/]|\\\\)/.test(path) && !path.includes('\0');
const directory = checks(isAbsolute, 'an absolute path');
const directories = checks((value) => Array.isArray(value) && value.every(isAbsolute), 'a list of absolute paths');
const count = checks((value) => Number.isSafeInteger(value) && (value as number) >= 0, 'a whole number, 0 or more');
const settingValue = checks((value) => typeof value === 'string' || typeof value === 'boolean', 'a string or a boolean');
const titleText = checks((value) => value === null || value === '' || isWellFormed(value), 'a well-formed string or null');
const title: Check = (value, name, limits) =>
  bounded(titleText(value, name, limits), name, { limit: 'titleBytes', allowed: FIXED_LIMITS.titleBytes }, 'Give a shorter one.');
const list = checks((value) => Array.isArray(value), 'a list');
const callback = checks((value) => typeof value === 'function', 'a function');
const hasMethods = (value: unknown, ...names: readonly string[]): boolean =>
  isObject(value) && names.every((name) => typeof value[name] === 'function');
const signal = checks((value) => value instanceof AbortSignal, 'an AbortSignal');
const isClient = (value: unknown): boolean => hasMethods(value, 'handle');
const client = checks(isClient, 'client services, with the method handle');
const clients = checks(
  (value) => isClient(value) || typeof value === 'function',
  'client services, or a function that gives each agent its own',
);
export const database = checks((value) => hasMethods(value, 'query', 'batch'), 'a database, with the methods query and batch');
const isLauncher = (value: unknown): boolean => hasMethods(value, 'launch');
const agents = checks(
  (value) => isLauncher(value) || (isObject(value) && Object.values(value).every(isLauncher)),
  'a launcher, or an object with a launcher for each agent',
);
const PERMISSIONS: readonly unknown[] = ['ask', 'allow', 'reject'];
const permission = checks(
  (value) => typeof value === 'function' || PERMISSIONS.includes(value),
  'a function, or one of ask, allow and reject',
);
const preambleFiles = checks((value) => hasMethods(value, 'write', 'remove'), 'an object with the methods write and remove');
const lines = checks(
  (value) =>
    typeof value === 'string' ||
    (Object(value) === value && (Symbol.asyncIterator in (value as object) || Symbol.iterator in (value as object))),
  'a text, or lines that can be iterated over',
);
const env: Check = (variables) => {
  if (!isObject(variables)) throw invalid('env must be an object of strings.');
  for (const [name, value] of Object.entries(variables)) {
    if (!isVariable(name))
      throw invalid(`env has the name ${shown(name)}: a variable's name must not be empty, nor have "=" or NUL in it.`);
    if (typeof value !== 'string' || value.includes('\0')) throw invalid(`The environment value ${name} must be a string without NUL.`);
  }
  return variables;
};

const servers: Check = (value, name, limits) => {
  checkServers(value as NonNullable<CreateOptions['mcpServers']>);
  return bounded(value, name, ofPrompt(limits), 'Give fewer.');
};

/** A method that the host does not call itself. */
const foreignMethod: Check = (value, name, limits) => {
  if (HOSTS_OWN_METHODS.has(text(value, name, limits) as string))
    throw invalid(`${String(value)} is the host's own to say. Use the method of the host that does it; extensions are passed on.`, {
      method: value,
    });
  return value;
};

const METADATA_BYTES = 16 * 1024;

const metadata: Check = (value, name) => {
  if (value === null) return null;
  if (!isObject(value)) throw invalid('metadata must be a JSON object, or null.');
  return bounded(value, name, { limit: 'metadata', allowed: METADATA_BYTES }, 'Keep less with the session.', onlyJson);
};

/** Refuses what JSON would silently turn into something else: NaN into null, a Map into an empty object. */
function onlyJson(key: string, value: unknown): unknown {
  if (isKeptByJson(value)) return value;
  const what = typeof value === 'number' ? value : `a ${typeof value}`;
  throw invalid(`metadata must be a JSON object; its ${shown(key)} is ${what}, which JSON does not have.`);
}

function isKeptByJson(value: unknown): boolean {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value);
    case 'object':
      return value === null || Array.isArray(value) || Object.prototype.toString.call(value) === '[object Object]';
    default:
      return typeof value !== 'function' && typeof value !== 'symbol';
  }
}

// ---------------------------------------------------------------- a prompt

const prompt: Check = (content, _, limits) => {
  const blocks: unknown = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content;
  if (!Array.isArray(blocks)) throw invalid('A prompt must be a string or an array of ACP content blocks.');
  for (const [index, block] of (blocks as unknown[]).entries()) {
    if (!isObject(block) || typeof block['type'] !== 'string')
      throw invalid(`Block ${index} of the prompt is not an ACP content block: it has no type.`);
    if (block['type'] === 'text' && typeof block['text'] !== 'string')
      throw invalid(`Block ${index} of the prompt is a text block without text.`);
  }
  if ((blocks as ContentBlock[]).every((block) => block.type === 'text' && block.text.trim() === ''))
    throw invalid('The prompt is empty. Write what the agent should do.');
  return bounded(blocks, 'The prompt', ofPrompt(limits), 'Send less, or name a file instead of its content.');
};

const params: Check = (value, name, limits) => {
  if (!isObject(value)) throw invalid(`${name} must be an object.`);
  return bounded(value, name, ofPrompt(limits), 'Send less.');
};

/** The parameters of an extension's method. They may be missing. */
const foreignParams: Check = (value, name, limits) => (value === undefined ? value : bounded(value, name, ofPrompt(limits), 'Send less.'));

/** Less than `nestedLevels`, since a block is stored inside an event, which nests, too. */
const PROMPT_LEVELS = FIXED_LIMITS.nestedLevels - 10;

interface Size {
  readonly limit: string;
  readonly allowed: number;
}
const ofPrompt = ({ promptBytes }: Limits): Size => ({ limit: 'promptBytes', allowed: promptBytes });

/** A copy, if it is within the limits. Without a copy the agent could get what the caller changed after the prompt was stored. */
function bounded(value: unknown, what: string, { limit, allowed }: Size, advice: string, replacer?: typeof onlyJson): unknown {
  const tooDeep = () =>
    new RehydrateError(
      'limit_exceeded',
      `${what} nests deeper than ${PROMPT_LEVELS} levels (nestedLevels). Send it as text, or name a file instead.`,
      { limit: 'nestedLevels', allowed: PROMPT_LEVELS },
    );
  let json: string | undefined;
  try {
    json = JSON.stringify(value, replacer) as string | undefined;
  } catch (error) {
    if (RehydrateError.is(error)) throw error;
    if (error instanceof RangeError) throw tooDeep();
    throw invalid(`${what} cannot be written as JSON: ${error instanceof Error ? error.message : String(error)}.`);
  }
  if (json === undefined) throw invalid(`${what} cannot be written as JSON: it is ${shown(value)}.`);
  if (exceeds(allowed, json)) {
    const actual = utf8Length(json);
    const message = `${what} has ${actual} bytes; ${limit} allows ${allowed}. ${advice}`;
    throw new RehydrateError('limit_exceeded', message, { limit, allowed, actual });
  }
  const copy: unknown = JSON.parse(json);
  if (isDeeper(copy, PROMPT_LEVELS)) throw tooDeep();
  return copy;
}

// ---------------------------------------------------------------- options

/** The given options, each checked by its name. Those in `needs` must be given. */
export function options(call: string, given: unknown, needs: readonly string[], may: readonly string[], limits: Limits): object {
  const known = [...needs, ...may];
  const asked = given as Record<string, unknown> | undefined;
  checkOptions(call, asked, known);
  const checked: Record<string, unknown> = {};
  for (const name of known) {
    const value = asked?.[name];
    refusePromise(name, value);
    const check = OPTIONS[`${call}.${name}`] ?? OPTIONS[name];
    if (value !== undefined || needs.includes(name)) checked[name] = check ? check(value, name, limits) : value;
  }
  return checked;
}

/**
 * The check of each option, by its name, or by `call.name` where one call differs. An option that is missing here is checked where it is
 * used.
 */
const OPTIONS: Readonly<Record<string, Check>> = {
  agent: text,
  cwd: directory,
  sessionId: newId,
  env,
  mcpServers: servers,
  params,
  agentSessionId: text,
  additionalDirectories: directories,
  idempotencyKey: text,
  policy: oneOf<ResumePolicy>(['auto', 'strict', 'transcript']),
  recordOnly: checks((value) => typeof value === 'boolean', 'true or false'),
  mode: oneOf<PreambleMode>(['inline', 'resource', 'file']),
  title,
  metadata,
  after: count,
  before: count,
  limit: count,
  whenFull: oneOf(['refuse', 'end-idlest']),
  protocol: oneOf(PROTOCOL_CHOICES),
  cursor: id,
  budget: count,
  signal,
  client,
  'createHost.client': clients,
  database,
  agents,
  files: preambleFiles,
  permission,
  knownSecrets: list,
  'Each of knownSecrets.name': id,
  'Each of knownSecrets.value': id,
  ...Object.fromEntries(
    ['secrets', 'clock', 'newId', 'redact', 'ownerAlive', 'sameDirectory', 'directoryExists'].map((name) => [name, callback]),
  ),
};

/** The check of each positional argument. */
const POSITIONAL: Readonly<Record<string, Check>> = {
  sessionId: id,
  content: prompt,
  agent: text,
  modeId: text,
  configId: text,
  methodId: text,
  value: settingValue,
  method: foreignMethod,
  params: foreignParams,
  requestId: id,
  words: id,
  lines,
};

// ---------------------------------------------------------------- the calls

interface Call {
  /** Positional arguments, in order. */
  readonly takes?: readonly string[];
  /** It may create the session, so the id is checked as a new one. */
  readonly makes?: true;
  /** Options that must be given. */
  readonly needs?: readonly string[];
  /** Options that may be given. */
  readonly may?: readonly string[];
  /** It only reads or ends something, so a host that sleeps can still do it as long as its database is open. */
  readonly asleep?: true;
  /** Default: a promise. */
  readonly gives?: 'iterable' | 'nothing';
}

const CALLER = ['signal', 'client'];
const MADE = ['env', 'mcpServers', 'additionalDirectories', 'params', ...CALLER];
const SESSION = ['sessionId'];

const CALLS: Readonly<Record<Exclude<keyof Host, 'hostId'>, Call>> = {
  create: { needs: ['agent', 'cwd'], may: ['sessionId', ...MADE] },
  prompt: { takes: [...SESSION, 'content'], may: ['idempotencyKey', 'params', 'policy', ...CALLER] },
  resume: { takes: SESSION, may: ['policy', ...CALLER] },
  previewPreamble: { takes: SESSION, may: ['mode', 'budget'], asleep: true },
  cancel: { takes: SESSION, asleep: true },
  respondPermission: { takes: [...SESSION, 'requestId', 'optionId'] },
  setMode: { takes: [...SESSION, 'modeId'] },
  setConfigOption: { takes: [...SESSION, 'configId', 'value'] },
  describeAgent: { takes: ['agent'], may: ['cwd', ...CALLER] },
  request: { takes: [...SESSION, 'method', 'params'], may: CALLER },
  notify: { takes: [...SESSION, 'method', 'params'], gives: 'nothing' },
  authenticate: { takes: ['agent', 'methodId'] },
  close: { takes: SESSION },
  delete: { takes: SESSION, may: ['recordOnly'] },
  get: { takes: SESSION, asleep: true },
  list: { may: ['agent', 'cwd', 'cursor', 'limit'], asleep: true },
  history: { takes: SESSION, may: ['after', 'before', 'limit'], asleep: true },
  events: { takes: SESSION, may: ['after', 'signal'], asleep: true, gives: 'iterable' },
  transcript: { takes: SESSION, may: ['budget'], asleep: true },
  open: { takes: SESSION, makes: true, needs: ['agent', 'cwd'], may: MADE },
  update: { takes: SESSION, may: ['title', 'metadata', 'cwd', 'mcpServers', 'additionalDirectories'] },
  watch: { may: ['signal'], asleep: true, gives: 'iterable' },
  search: { takes: ['words'], may: ['sessionId', 'cursor', 'limit'], asleep: true },
  fork: { takes: SESSION, may: ['sessionId', 'after', 'agent', 'cwd'] },
  agentSessions: { needs: ['agent'], may: ['cwd', 'cursor', ...CALLER] },
  adopt: { needs: ['agent', 'agentSessionId', 'cwd'], may: ['sessionId', 'title', 'mcpServers'] },
  export: { takes: SESSION, asleep: true, gives: 'iterable' },
  import: { takes: ['lines'], may: ['sessionId'] },
  sleep: { asleep: true },
};

/** The host as its callers see it: arguments are checked on the way in, and errors on the way out become those of the library. */
export function withChecks(host: Host, limits: Limits, isAsleep: () => boolean): Host {
  const calls = Object.entries(CALLS).map(([name, call]) => [name, withCheck(host, name, call, limits, isAsleep)]);
  return { hostId: host.hostId, ...(Object.fromEntries(calls) as Omit<Host, 'hostId'>) };
}

function withCheck(host: Host, name: string, call: Call, limits: Limits, isAsleep: () => boolean) {
  const { takes = [], makes, needs = [], may = [], asleep, gives } = call;
  const method = host[name as 'sleep'] as (...args: unknown[]) => unknown;
  const hasOptions = needs.length + may.length > 0;

  function enter(args: readonly unknown[]): unknown {
    if (isAsleep() && !asleep) throw hostClosed();
    const checked = takes.map((argument, at) => {
      refusePromise(argument, args[at]);
      const check = makes && argument === 'sessionId' ? newId : POSITIONAL[argument];
      return check ? check(args[at], argument, limits) : args[at];
    });
    if (hasOptions) checked.push(options(name, args[takes.length], needs, may, limits));
    return method(...checked);
  }

  function publicError(thrown: unknown, args: readonly unknown[]): unknown {
    const error = told(thrown, `host.${name} failed`);
    if (RehydrateError.is(error)) {
      const isShut = error.code === 'storage_unavailable' && error.data['kind'] === 'closed';
      return isShut && isAsleep() ? hostClosed() : error;
    }
    const { signal } = Object(args[takes.length]) as { signal?: AbortSignal };
    return may.includes('signal') && signal?.aborted && error === signal.reason ? aborted(`host.${name}`, error) : error;
  }

  switch (gives) {
    case 'nothing':
      return (...args: unknown[]): void => void enter(args);
    case 'iterable':
      return async function* (...args: unknown[]) {
        try {
          yield* enter(args) as AsyncIterable<unknown>;
        } catch (error) {
          throw publicError(error, args);
        }
      };
    default:
      return async (...args: unknown[]) => {
        try {
          return await enter(args);
        } catch (error) {
          throw publicError(error, args);
        }
      };
  }
}
