/**
 * Finds out whether a client's message would make the agent start a program, or change how it starts one, without the agent deciding so: by an
 * MCP server with a command, or by what agents read from `_meta` and in methods of their own (commands, executables, environment, settings,
 * hooks, plugins). Goes by the names of fields, because agents read extensions that we do not know.
 */

/** `path` is the keys that lead to the field, joined with dots. */
export interface FoundCommand {
  readonly reason: 'mcp_command_not_allowed' | 'meta_not_allowed' | 'method_not_allowed';
  readonly path: string;
}

/** How the keys of a value are judged. */
type Reading =
  /** Keys mean nothing here; what is inside is looked at. */
  | 'plain'
  /** In a list or map of MCP servers, where `command` starts a program. */
  | 'servers'
  /** In `_meta`, where words that mean commands are refused. */
  | 'meta'
  /** In `_meta.claudeCode`. */
  | 'claude'
  /** In `_meta.claudeCode.options`, most of which control a process, so only harmless ones are accepted. */
  | 'options'
  /** In the parameters of a method that ACP does not have: as in `_meta`, except that strings are not parsed, since they are a user's text. */
  | 'own';

/** Words that mean a command, what it runs with, or where an agent finds commands to run. */
const WORDS = new Set(
  (
    'arg args argv arguments bin binaries binary cmd cmds cli command commands commandline config configs configuration env envs environment exe exec ' +
    'execute executable executables executor helper helpers hook hooks interpreter launch mcp plugin plugins program programs runner script scripts setting ' +
    'settings shell spawn stdio subprocess'
  ).split(' '),
);

/** The same within a key that is written as one word; long enough not to match by chance. */
const STEMS = ['command', 'executable', 'helper', 'environment', 'settings', 'mcpserver', 'mcpconfig', 'extraargs', 'subprocess'];

/** Options of Claude's agent that choose model, effort and length, or take something away. */
const HARMLESS_OPTIONS = new Set(
  (
    'model fallbackmodel effort thinking maxthinkingtokens maxturns maxbudgetusd taskbudget disallowedtools outputformat betas title ' +
    'systemprompt promptsuggestions forwardsubagenttext includepartialmessages agentprogresssummaries resume forksession resumesessionat'
  ).split(' '),
);

/** ACP's own methods, stable and unstable. In their parameters only `_meta` is an extension. */
const STANDARD = /^(?:initialize|authenticate|logout|(?:auth|session|providers|mcp|nes|document|terminal|tool_call|\$)\/[a-z_/]+)$/i;

/** Finds the first such field in a client's request or notification. Pure. */
export function findCommand(message: { readonly method: string }): FoundCommand | null {
  const standard = STANDARD.test(message.method);
  if (!standard && wordsOf(message.method).some((word) => WORDS.has(word))) return { reason: 'method_not_allowed', path: 'method' };
  const work: { value: unknown; reading: Reading; path: string }[] = [{ value: message, reading: 'plain', path: '' }];
  for (let item = work.pop(); item !== undefined; item = work.pop()) {
    const { reading, path } = item;
    const value = typeof item.value === 'string' ? parsed(item.value) : item.value;
    if (typeof value !== 'object' || value === null) continue;
    if (Array.isArray(value)) {
      for (const element of value) if (mayHold(element, reading)) work.push({ value: element, reading, path });
      continue;
    }
    for (const [key, child] of Object.entries(value)) {
      const { name, command } = known(key);
      const here = path === '' ? key : `${path}.${key}`;
      if (reading === 'servers' && name === 'command') return { reason: 'mcp_command_not_allowed', path: clipped(here) };
      if (command && READ_BY_WORDS.has(reading)) return { reason: 'meta_not_allowed', path: clipped(here) };
      if (reading === 'options' && !HARMLESS_OPTIONS.has(name)) return { reason: 'meta_not_allowed', path: clipped(here) };
      const below = readingBelow(reading, name, path === '' && !standard);
      if (mayHold(child, below)) work.push({ value: child, reading: below, path: here });
    }
  }
  return null;
}

const READ_BY_WORDS: ReadonlySet<Reading> = new Set(['meta', 'claude', 'own']);

function readingBelow(reading: Reading, name: string, inOwnMethod: boolean): Reading {
  // `field_meta` is what the Python SDK calls it.
  if (reading === 'own' || reading === 'plain') {
    if (name === 'meta' || name === 'fieldmeta') return 'meta';
    if (inOwnMethod && name === 'params') return 'own';
    return name === 'mcpservers' ? 'servers' : reading;
  }
  if (reading === 'meta') return name === 'claudecode' ? 'claude' : 'meta';
  if (reading === 'claude') return name === 'options' ? 'options' : 'meta';
  if (reading === 'options') return 'plain';
  return name === 'meta' || name === 'fieldmeta' ? 'meta' : 'servers';
}

/** Whether a value is worth looking into. In `_meta` that includes strings that may be JSON. */
function mayHold(value: unknown, reading: Reading): boolean {
  if (typeof value !== 'string') return typeof value === 'object' && value !== null;
  return (reading === 'meta' || reading === 'claude' || reading === 'options') && JSON_TEXT.test(value);
}

const JSON_TEXT = /^\s*[[{"]/;

/** Parses JSON in a string, which some agents read as options. */
function parsed(value: string): unknown {
  let text: unknown = value;
  while (typeof text === 'string' && JSON_TEXT.test(text)) {
    try {
      text = JSON.parse(text) as unknown;
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof RangeError) return null;
      throw error;
    }
  }
  return text;
}

interface Key {
  /** Normalised, because agents accept keys in different spellings (any case, snake_case, Unicode case folding). */
  readonly name: string;
  readonly command: boolean;
}

/** A cache. Messages use few different keys. */
const KEYS = new Map<string, Key>();
const KEPT_KEYS = 2_000;
const KEPT_LENGTH = 64;

function known(key: string): Key {
  const found = KEYS.get(key);
  if (found !== undefined) return found;
  const name = key
    .normalize('NFKC')
    .replaceAll(/[^\p{L}\p{N}]/gu, '')
    .toLowerCase();
  const command = WORDS.has(name) || STEMS.some((stem) => name.includes(stem)) || wordsOf(key).some((word) => WORDS.has(word));
  const read = { name, command };
  if (KEYS.size < KEPT_KEYS && key.length <= KEPT_LENGTH) KEYS.set(key, read);
  return read;
}

/** The words of a name, as in `extraArgs`, `mcp-config`, `PATH_TO_EXECUTABLE`. */
function wordsOf(name: string): string[] {
  return name
    .normalize('NFKC')
    .replaceAll(/(\p{Ll}|\p{N})(?=\p{Lu})/gu, '$1 ')
    .replaceAll(/(\p{Lu})(?=\p{Lu}\p{Ll})/gu, '$1 ')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u);
}

/** Shortens a path, because it is the client's own words and goes into an answer. */
function clipped(path: string): string {
  return path.length <= 120 ? path : `${path.slice(0, 119)}…`;
}
