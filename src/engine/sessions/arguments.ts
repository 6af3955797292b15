/**
 * What each call of a host takes, as one table: arguments are checked once, at the host's door, and are what their types say from
 * there on.
 */
import { checkOptions, isObject, refusePromise, shown } from '../check-options.ts';
import { invalid, RehydrateError } from '../errors.ts';
import { exceeds } from '../exceeds.ts';
import { FIXED_LIMITS, type Limits } from '../limits.ts';
import { HOSTS_OWN_METHODS } from '../protocol/agent-protocol.ts';
import { isDeeper } from '../protocol/bounded.ts';
import { PROTOCOL_CHOICES } from '../protocol/versions.ts';
import type { ContentBlock, PreambleMode, ResumePolicy } from '../types.ts';
import type { CreateOptions, Host } from './host.ts';
import { checkServers } from './secrets.ts';

export const hostClosed = (): RehydrateError =>
  new RehydrateError('host_closed', 'This host sleeps; nothing can be done with it any more. Open another one on the same database.');

// ---------------------------------------------------------------- one argument

/** Gives the value as the host is to have it. Error: `invalid_argument`, by its name, or `limit_exceeded`. */
type Check = (value: unknown, name: string, limits: Limits) => unknown;

const checks =
  (holds: (value: unknown) => boolean, words: string): Check =>
  (value, name) => {
    if (holds(value)) return value;
    throw invalid(`${name} is ${words}; it is ${shown(value)}.`);
  };

/** One of the words that an option may be. */
export function oneOf<T extends string>(words: readonly T[]): (value: unknown, name: string) => T {
  return checks((value) => words.includes(value as T), `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`) as never;
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isWellFormed = (value: unknown): boolean => isText(value) && value.isWellFormed();

const id: Check = checks((value) => typeof value === 'string', 'a string');
const newId = checks(
  (value) => isWellFormed(value) && (value as string).length <= 256 && !(value as string).includes('\0'),
  'a well-formed string of 1 to 256 characters',
);
const text = checks(isText, 'a string that is not empty');
const key = checks(isWellFormed, 'a well-formed string that is not empty');
export const isAbsolute = (path: unknown): boolean =>
  typeof path === 'string' && /^(\/|[A-Za-z]:[\\/]|\\\\)/.test(path) && !path.includes('\0');
const directory = checks(isAbsolute, 'an absolute path');
const directories = checks((value) => Array.isArray(value) && value.every(isAbsolute), 'a list of absolute paths');
const count = checks((value) => Number.isSafeInteger(value) && (value as number) >= 0, 'a whole number, 0 or more');
const settingValue = checks((value) => typeof value === 'string' || typeof value === 'boolean', 'a string or a boolean');
const title = checks((value) => value === null || value === '' || isWellFormed(value), 'a well-formed string or null');
const env: Check = (value) => {
  for (const [name, each] of Object.entries(value as object))
    if (typeof each !== 'string') throw invalid(`The environment value ${name} is a string.`);
  return value;
};

const servers: Check = (value) => {
  checkServers(value as NonNullable<CreateOptions['mcpServers']>);
  return value;
};

/** Passed on for somebody else, so it must be nothing that the host says itself. */
const foreignMethod: Check = (value, name, limits) => {
  if (HOSTS_OWN_METHODS.has(text(value, name, limits) as string))
    throw invalid(`${String(value)} is the host's own to say. Use the method of the host that does it; extensions are passed on.`, {
      method: value,
    });
  return value;
};

const METADATA_BYTES = 16 * 1024;

const metadata: Check = (value) => {
  if (value === null) return null;
  if (!isObject(value)) throw invalid('metadata is an object of JSON, or null.');
  const bytes = new TextEncoder().encode(JSON.stringify(value)).length;
  if (bytes > METADATA_BYTES) throw tooLarge('metadata', 'metadata', bytes, METADATA_BYTES, 'Keep less with the session.');
  return value;
};

function tooLarge(what: string, limit: string, actual: number, allowed: number, advice: string): RehydrateError {
  return new RehydrateError('limit_exceeded', `${what} has ${actual} bytes; ${limit} allows ${allowed}. ${advice}`, {
    limit,
    allowed,
    actual,
  });
}

// ---------------------------------------------------------------- a prompt

/** The prompt as content blocks. */
const prompt: Check = (content, _, limits) => {
  const blocks: unknown = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content;
  if (!Array.isArray(blocks)) throw invalid('A prompt is a string or an array of ACP content blocks.');
  for (const [index, block] of (blocks as unknown[]).entries()) {
    if (!isObject(block) || typeof block['type'] !== 'string')
      throw invalid(`Block ${index} of the prompt is no ACP content block: it has no type.`);
    if (block['type'] === 'text' && typeof block['text'] !== 'string')
      throw invalid(`Block ${index} of the prompt is a text block without text.`);
  }
  if ((blocks as ContentBlock[]).every((block) => block.type === 'text' && block.text.trim() === ''))
    throw invalid('The prompt is empty. Write what the agent should do.');
  return bounded(blocks, 'The prompt', limits, 'Send less, or name a file instead of its content.');
};

/** Further parameters of a call. */
const params: Check = (value, name, limits) => {
  if (!isObject(value)) throw invalid(`${name} is an object.`);
  return bounded(value, name, limits, 'Send less.');
};

/** What is stored around a block nests, too. */
const PROMPT_LEVELS = FIXED_LIMITS.nestedLevels - 10;

/** A copy within the limits of a prompt: what the caller changes later is not in the log, so the agent does not get it either. */
function bounded(value: object, what: string, { promptBytes }: Limits, advice: string): unknown {
  const tooDeep = () =>
    new RehydrateError(
      'limit_exceeded',
      `${what} nests deeper than ${PROMPT_LEVELS} levels (nestedLevels). Send it as text, or name a file instead.`,
      { limit: 'nestedLevels', allowed: PROMPT_LEVELS },
    );
  let json: string;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    if (error instanceof RangeError) throw tooDeep();
    throw invalid(`${what} cannot be written as JSON: ${error instanceof Error ? error.message : String(error)}.`);
  }
  if (exceeds(promptBytes, json)) throw tooLarge(what, 'promptBytes', new TextEncoder().encode(json).length, promptBytes, advice);
  const copy: unknown = JSON.parse(json);
  if (isDeeper(copy, PROMPT_LEVELS)) throw tooDeep();
  return copy;
}

// ---------------------------------------------------------------- options

/** The options that are given, each checked as its name says; `needs` must be there. */
export function options(call: string, given: unknown, needs: readonly string[], may: readonly string[], limits: Limits): object {
  const known = [...needs, ...may];
  const asked = given as Record<string, unknown> | undefined;
  checkOptions(call, asked, known);
  const checked: Record<string, unknown> = {};
  for (const name of known) {
    const value = asked?.[name];
    refusePromise(name, value);
    if (value !== undefined || needs.includes(name)) checked[name] = OPTIONS[name] ? OPTIONS[name](value, name, limits) : value;
  }
  return checked;
}

/** Every option that has a check has the same in every call. What is not here is for its type, or for whoever uses it, to judge. */
const OPTIONS: Readonly<Record<string, Check>> = {
  agent: text,
  cwd: directory,
  sessionId: newId,
  env,
  mcpServers: servers,
  params,
  agentSessionId: text,
  additionalDirectories: directories,
  idempotencyKey: key,
  policy: oneOf<ResumePolicy>(['auto', 'strict', 'transcript']),
  mode: oneOf<PreambleMode>(['inline', 'resource', 'file']),
  title,
  metadata,
  after: count,
  before: count,
  limit: count,
  whenFull: oneOf(['refuse', 'end-idlest']),
  protocol: oneOf(PROTOCOL_CHOICES),
};

/** The same for what is given by its place. */
const PLACES: Readonly<Record<string, Check>> = {
  sessionId: id,
  content: prompt,
  agent: text,
  modeId: text,
  configId: text,
  methodId: text,
  value: settingValue,
  method: foreignMethod,
  words: id,
};

// ---------------------------------------------------------------- the calls

interface Call {
  /** What is given by its place, in order. */
  readonly takes?: readonly string[];
  /** The session may be a new one. */
  readonly makes?: true;
  /** Options that must be given, and those that may be. */
  readonly needs?: readonly string[];
  readonly may?: readonly string[];
  /** It only looks, or ends things: a host that sleeps can do it still. */
  readonly asleep?: true;
  /** What it gives is read step by step, or is nothing; else it is waited for. */
  readonly gives?: 'steps' | 'nothing';
}

const CALLER = ['signal', 'client'];
const MADE = ['env', 'mcpServers', 'additionalDirectories', 'params', ...CALLER];
const ONE = ['sessionId'];

const CALLS: Readonly<Record<Exclude<keyof Host, 'hostId'>, Call>> = {
  create: { needs: ['agent', 'cwd'], may: ['sessionId', ...MADE] },
  prompt: { takes: [...ONE, 'content'], may: ['idempotencyKey', 'params', 'policy', ...CALLER] },
  resume: { takes: ONE, may: ['policy', ...CALLER] },
  previewPreamble: { takes: ONE, may: ['mode', 'budget'], asleep: true },
  cancel: { takes: ONE, asleep: true },
  respondPermission: { takes: [...ONE, 'requestId', 'optionId'] },
  setMode: { takes: [...ONE, 'modeId'] },
  setConfigOption: { takes: [...ONE, 'configId', 'value'] },
  describeAgent: { takes: ['agent'], may: ['cwd', ...CALLER] },
  request: { takes: [...ONE, 'method', 'params'], may: CALLER },
  notify: { takes: [...ONE, 'method', 'params'], gives: 'nothing' },
  authenticate: { takes: ['agent', 'methodId'] },
  close: { takes: ONE },
  delete: { takes: ONE },
  get: { takes: ONE, asleep: true },
  list: { may: ['agent', 'cwd', 'cursor', 'limit'], asleep: true },
  history: { takes: ONE, may: ['after', 'before', 'limit'], asleep: true },
  events: { takes: ONE, may: ['after', 'signal'], asleep: true, gives: 'steps' },
  transcript: { takes: ONE, may: ['budget'], asleep: true },
  open: { takes: ONE, makes: true, needs: ['agent', 'cwd'], may: MADE },
  update: { takes: ONE, may: ['title', 'metadata', 'cwd', 'mcpServers', 'additionalDirectories'] },
  watch: { may: ['signal'], asleep: true, gives: 'steps' },
  search: { takes: ['words'], may: ['sessionId', 'cursor', 'limit'], asleep: true },
  fork: { takes: ONE, may: ['sessionId', 'after', 'agent', 'cwd'] },
  agentSessions: { needs: ['agent'], may: ['cwd', 'cursor', ...CALLER] },
  adopt: { needs: ['agent', 'agentSessionId', 'cwd'], may: ['sessionId', 'title', 'mcpServers'] },
  export: { takes: ONE, asleep: true, gives: 'steps' },
  import: { takes: ['lines'], may: ['sessionId'] },
  sleep: { asleep: true },
};

/** The host as its callers have it. */
export function withChecks(host: Host, limits: Limits, isAsleep: () => boolean): Host {
  const calls = Object.entries<Call>(CALLS).map(([name, { takes = [], makes, needs = [], may = [], asleep, gives }]) => {
    const call = host[name as 'sleep'] as (...given: unknown[]) => unknown;
    const hasOptions = needs.length + may.length > 0;
    const enter = (given: readonly unknown[]): unknown => {
      if (isAsleep() && !asleep) throw hostClosed();
      const checked = takes.map((place, at) => {
        refusePromise(place, given[at]);
        const check = makes && place === 'sessionId' ? newId : PLACES[place];
        return check ? check(given[at], place, limits) : given[at];
      });
      return hasOptions ? call(...checked, options(name, given[takes.length], needs, may, limits)) : call(...checked);
    };
    const steps = async function* (...given: unknown[]) {
      yield* enter(given) as AsyncIterable<unknown>;
    };
    const nothing = (...given: unknown[]) => void enter(given);
    return [name, gives === 'steps' ? steps : gives === 'nothing' ? nothing : async (...given: unknown[]) => enter(given)];
  });
  return { hostId: host.hostId, ...(Object.fromEntries(calls) as Omit<Host, 'hostId'>) };
}
