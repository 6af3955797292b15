/** The options of a bridge and its door, and checks of them before anything is opened. */
import { networkInterfaces } from 'node:os';
import { RehydrateError } from '../engine/errors.ts';
import type { StdioAgent } from '../adapters/stdio/launcher.ts';
import type { StdioLimits } from '../adapters/stdio/limits.ts';
import { cwdProblem } from '../adapters/stdio/start-problem.ts';
import type { BridgeLimits } from './limits.ts';

/** An event of the bridge's log. It never contains tokens, contents of messages, arguments or environment values. */
export type BridgeEvent =
  | { readonly event: 'listening'; readonly url: string; readonly agents: readonly string[] }
  | { readonly event: 'refused'; readonly status: number; readonly reason: string }
  | { readonly event: 'opened'; readonly connection: string; readonly agent: string; readonly pid?: number }
  | { readonly event: 'note'; readonly connection: string; readonly note: string }
  | { readonly event: 'closed'; readonly connection: string; readonly agent: string; readonly exit: string }
  | { readonly event: 'stopped' };

/** Who may come in, and how. */
export interface DoorOptions {
  /** The agents that clients may reach, with the cwd that `GET /agents` gives. Names are 1 to 64 of `A-Z a-z 0-9 . _ -`. */
  readonly agents: Readonly<Record<string, { readonly cwd: string }>>;
  /** Default `acp.v1` alone. */
  readonly subprotocols?: readonly string[] | undefined;
  /** The address to listen on. Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Must be true for a host that is not loopback. */
  readonly allowRemote?: boolean | undefined;
  /** Default 0: the system chooses. */
  readonly port?: number | undefined;
  /** Exact origins of the pages that may connect, as in `https://example.org`. */
  readonly origins?: readonly string[] | undefined;
  /** Whether requests without an Origin (programs that are not browsers) are accepted. Default false. */
  readonly allowMissingOrigin?: boolean | undefined;
  /** Whether clients may have programs started: MCP servers by command, and what agents run from `_meta`. Default false. */
  readonly allowMcp?: boolean | undefined;
  /** Further `Host` values to accept, for a bridge that is reached by another name. */
  readonly hosts?: readonly string[] | undefined;
  /** 43 base64url characters. Default: fresh and random. */
  readonly token?: string | undefined;
  readonly limits?: Partial<Record<keyof BridgeLimits, number | undefined>> | undefined;
  readonly log?: ((event: BridgeEvent) => void) | undefined;
}

/** An open door. */
export interface Door {
  /** `ws://HOST:PORT`; an agent is at `{url}/agents/NAME`. */
  readonly url: string;
  /** 43 base64url characters; never part of an address. */
  readonly token: string;
  /** Ends every connection (4005), and resolves when their agents are gone. */
  close(): Promise<void>;
}

export interface BridgeOptions extends Omit<DoorOptions, 'agents' | 'subprotocols'> {
  /** The agents that clients may reach. Names are 1 to 64 of `A-Z a-z 0-9 . _ -`. */
  readonly agents: Readonly<Record<string, StdioAgent>>;
  /** Where agents run; `GET /agents` gives it as their cwd. Default: the process's own. */
  readonly cwd?: string | undefined;
  /** The bounds of the agents' processes. */
  readonly processLimits?: Partial<Record<keyof StdioLimits, number | undefined>> | undefined;
}

/** The names of the door's options that a caller may give. */
export const DOOR_OPTIONS: readonly (keyof Omit<DoorOptions, 'agents' | 'subprotocols'>)[] = [
  'host', 'allowRemote', 'port', 'origins', 'allowMissingOrigin', 'allowMcp', 'hosts', 'token', 'limits', 'log',
]; // prettier-ignore

const invalid = (message: string): RehydrateError => new RehydrateError('invalid_argument', message);

export function checkDoor(options: DoorOptions): { host: string; port: number; origins: string[] } {
  const names = Object.keys(options.agents);
  if (names.length === 0) throw invalid('The bridge has no agent to offer. Give it at least one: --agent NAME=COMMAND.');
  for (const name of names) {
    if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/.test(name))
      throw invalid(`'${name}' cannot name an agent: use 1 to 64 of A-Z a-z 0-9 . _ -, not starting with a dot.`);
  }
  const host = options.host ?? '127.0.0.1';
  if (!isLoopback(host) && options.allowRemote !== true) {
    throw invalid(
      `Listening on ${host} would let other machines reach the agents here. If that is meant, allow it explicitly (--allow-remote, allowRemote: true).`,
    );
  }
  const port = options.port ?? 0;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw invalid(`${port} is not a port: use 0 to 65535.`);
  if (options.token !== undefined && !/^[A-Za-z0-9_-]{43}$/.test(options.token))
    throw invalid('The token must be 43 base64url characters (256 bits).');
  for (const [name, { cwd }] of Object.entries(options.agents)) {
    // Checked now, because whoever starts the bridge can correct it, and clients cannot.
    const problem = cwdProblem({ name, cwd });
    if (problem !== null) throw invalid(problem.message);
  }
  return { host, port, origins: (options.origins ?? []).map(checkOrigin) };
}

/** The origin as browsers send it. */
export function checkOrigin(text: string): string {
  const url = URL.parse(text);
  if (url === null) throw invalid(`'${text}' is not an origin: give scheme, host and port, as in https://example.org.`);
  // Sandboxed frames, files and redirects send `null`, so allowing that would allow anybody.
  if (url.origin !== 'null' && !text.includes('*') && (text === url.origin || text === `${url.origin}/`)) return url.origin;
  const meant = url.origin === 'null' ? '' : `: did you mean ${url.origin}?`;
  throw invalid(`'${text}' is not an exact origin${meant} Wildcards and paths are not accepted.`);
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Every `Host` value by which the bridge can be reached. */
export function hostNames(host: string, port: number, more: readonly string[] = []): string[] {
  const everywhere = host === '0.0.0.0' || host === '::';
  const addresses = everywhere
    ? Object.values(networkInterfaces()).flatMap((list) =>
        (list ?? []).map(({ address }) => address).filter((address) => !address.includes('%')),
      )
    : [host];
  const own = [
    ...(everywhere || isLoopback(host) ? ['localhost'] : []),
    ...(everywhere || host === 'localhost' ? ['127.0.0.1', '::1'] : []),
  ];
  const bare = [...new Set([...addresses, ...own])].map((name) => (name.includes(':') ? `[${name}]` : name));
  // Clients leave port 80 out of Host.
  return [...bare.map((name) => `${name}:${port}`), ...(port === 80 ? bare : []), ...more];
}
