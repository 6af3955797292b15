import type { SecretRef, Secrets } from '../../engine/ports.ts';

export interface ProcessSecretsOptions {
  /**
   * Which environment variable holds a header of an MCP server: server name → header name → variable.
   * A header not named here has no value: header names are not variable names, and guessing one
   * could send the wrong secret to a server.
   */
  readonly headers?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Where the values are. Default `process.env`, read at each call. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/**
 * Secrets out of the environment: `env` and `mcp-env` are the variable of the same name, `mcp-header`
 * the variable that `headers` gives. A variable set to the empty string is there, and empty.
 */
export function processSecrets(options: ProcessSecretsOptions = {}): Secrets {
  return (ref: SecretRef) => {
    const name = ref.kind === 'mcp-header' ? headerVariable(options.headers ?? {}, ref) : ref.name;
    const environment = options.environment ?? process.env;
    return name !== undefined && Object.hasOwn(environment, name) ? environment[name] : undefined;
  };
}

/** Header names are the same in any case. */
function headerVariable(headers: NonNullable<ProcessSecretsOptions['headers']>, ref: SecretRef): string | undefined {
  if (ref.server === undefined || !Object.hasOwn(headers, ref.server)) return undefined;
  const wanted = ref.name.toLowerCase();
  return Object.entries(headers[ref.server]!).find(([header]) => header.toLowerCase() === wanted)?.[1];
}
