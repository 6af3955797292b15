/** `--mcp FILE`: MCP servers in ACP's form, or in the form most tools' settings have. */
import { readFileSync } from 'node:fs';
import { RehydrateError } from '../engine/errors.ts';
import type { McpServer } from '../engine/types.ts';

export function readMcpFile(file: string): McpServer[] {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    // The parser's message quotes the text, which may hold secrets.
    const why = error instanceof SyntaxError ? 'it is not JSON' : error instanceof Error ? error.message : String(error);
    throw invalid(file, why);
  }
  return mcpServers(value, file);
}

/** The servers in a parsed file. Errors: `invalid_argument`, naming what is wrong and never a value. */
export function mcpServers(value: unknown, file: string): McpServer[] {
  if (Array.isArray(value)) return value.map((entry, index) => server(entry, `entry ${index}`, file));
  const table = isRecord(value) ? value['mcpServers'] : undefined;
  if (!isRecord(table)) throw invalid(file, 'it is neither an array of ACP MCP servers nor {"mcpServers": {…}}');
  return Object.entries(table).map(([name, entry]) => {
    if (!isRecord(entry)) throw invalid(file, `${name} is no object`);
    // Settings have fields of their tool's own, which are nothing to an agent; their addresses are http unless they say sse.
    const { command, args, env, url, headers } = entry;
    return server({ name, command, args, env, url, headers, type: entry['type'] === 'sse' ? 'sse' : 'http' }, name, file);
  });
}

/** Fields stay as they are, but for those that such a server does not have: nobody would take values out of them. */
function server(entry: unknown, where: string, file: string): McpServer {
  if (!isRecord(entry) || typeof entry['name'] !== 'string') throw invalid(file, `${where} has no name`);
  const { name, command, args, env, type, url, headers, ...rest } = entry as { name: string } & Record<string, unknown>;
  if (typeof command === 'string')
    return { ...rest, name, command, args: strings(args ?? [], `${name}: args`, file), env: pairs(env ?? [], `${name}: env`, file) };
  if (typeof url === 'string' && (type === 'http' || type === 'sse'))
    return { ...rest, type, name, url, headers: pairs(headers ?? [], `${name}: headers`, file) };
  throw invalid(file, `${name} has neither a command nor a type (http, sse) with a url`);
}

/** ACP writes pairs as `[{name, value}]`, settings files as an object. */
function pairs(value: unknown, where: string, file: string): { name: string; value: string }[] {
  const list = Array.isArray(value) ? value : isRecord(value) ? Object.entries(value).map(([name, each]) => ({ name, value: each })) : null;
  if (!list || !list.every((pair) => isRecord(pair) && typeof pair['name'] === 'string' && typeof pair['value'] === 'string')) {
    throw invalid(file, `${where} must hold names with string values`);
  }
  return list.map((pair: { name: string; value: string }) => ({ name: pair.name, value: pair.value }));
}

function strings(value: unknown, where: string, file: string): string[] {
  if (!Array.isArray(value) || !value.every((each) => typeof each === 'string'))
    throw invalid(file, `${where} must be an array of strings`);
  return value as string[];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(file: string, why: string): RehydrateError {
  return new RehydrateError('invalid_argument', `The MCP file ${file} cannot be used: ${why}. Correct it, or leave --mcp away.`, {
    file,
    reason: why,
  });
}
