import { checkOptions } from '../../engine/check-options.ts';
import { RehydrateError } from '../../engine/errors.ts';
import type { SecretRef, Secrets } from '../../engine/ports.ts';

export interface ProcessSecretsOptions {
  /**
   * Which environment variable holds a header of an MCP server: address → header name → variable. A header of another address has no
   * value, whatever the server is called: a secret belongs to the place it was given for.
   */
  readonly headers?: Readonly<Record<string, Readonly<Record<string, string>>>> | undefined;
  /** Where the values are. Default `process.env`, read at each call. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
}

/**
 * Secrets out of the environment: `env` and `mcp-env` are the variable of the same name, `mcp-header`
 * the variable that `headers` gives. A variable set to the empty string is there, and empty.
 * Error: `invalid_argument` when a key of `headers` is not an address.
 *
 * @example
 * const secrets = processSecrets({ headers: { 'https://search.example/mcp': { Authorization: 'SEARCH_AUTHORIZATION' } } });
 */
export function processSecrets(options: ProcessSecretsOptions = {}): Secrets {
  checkOptions('processSecrets', options, ['headers', 'environment']);
  const headers = new Map(Object.entries(options.headers ?? {}).map(([address, variables]) => [checkAddress(address), variables]));
  return (ref: SecretRef) => {
    const name = ref.kind === 'mcp-header' ? headerVariable(headers, ref) : ref.name;
    const environment = options.environment ?? process.env;
    return name !== undefined && Object.hasOwn(environment, name) ? environment[name] : undefined;
  };
}

/** Header names are the same in any case. */
function headerVariable(headers: ReadonlyMap<string, Readonly<Record<string, string>>>, ref: SecretRef): string | undefined {
  const wanted = ref.name.toLowerCase();
  const variables = headers.get(URL.parse(ref.place?.url ?? '')?.href ?? '');
  return variables && Object.entries(variables).find(([header]) => header.toLowerCase() === wanted)?.[1];
}

function checkAddress(address: string): string {
  const url = URL.parse(address);
  if (url) return url.href;
  throw new RehydrateError(
    'invalid_argument',
    `processSecrets: "${address}" in headers is not an address. Name the MCP server by its url, so that the value goes nowhere else.`,
    { address },
  );
}
