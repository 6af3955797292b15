/** What a host on Node offers to agents: files in the session's directories, and terminals. */
import { checkOptions } from '../../../engine/check-options.ts';
import type { ClientServiceRequest, ClientServices } from '../../../engine/ports.ts';
import { readTextFile, writeTextFile } from './files.ts';
import { CLIENT_LIMITS, type ClientLimits, ClientRequestError } from './request.ts';
import { Terminals } from './terminals.ts';
import { withLimits } from '../../../engine/with-limits.ts';

export { CLIENT_LIMITS, type ClientLimits } from './request.ts';

export interface NodeClientOptions {
  /** Whether agents may read and write files (true, the default), only read them (`read`), or neither (false). */
  readonly fs?: boolean | 'read' | undefined;
  /** Whether terminals are offered. Default true. Their commands have the host's rights, in any directory. */
  readonly terminal?: boolean | undefined;
  /** Whether terminals get this process's environment. Default true. */
  readonly inheritEnv?: boolean | undefined;
  readonly limits?: Partial<Record<keyof ClientLimits, number | undefined>> | undefined;
  /** The client's name and version, as told to agents. Default: this library's. */
  readonly info?: ClientServices['info'] | undefined;
}

/**
 * ACP's `fs/*` and `terminal/*` for `createHost({ client })`. Files are read and written inside the
 * session's cwd and additional directories only, wherever links lead. Commands run in process groups
 * of their own; releasing a terminal, or the session's agent going, ends their whole trees.
 *
 * @example
 * const host = await openHost('sessions.sqlite', { agents, client: nodeClientServices({ terminal: false }) });
 */
export function nodeClientServices(options: NodeClientOptions = {}): ClientServices {
  checkOptions('nodeClientServices', options, ['fs', 'terminal', 'inheritEnv', 'limits', 'info']);
  const limits: ClientLimits = withLimits(CLIENT_LIMITS, options.limits);
  const { fs = true, terminal = true, inheritEnv = true } = options;
  const terminals = new Terminals(limits, inheritEnv ? process.env : {});
  const handlers: Readonly<Record<string, ((request: ClientServiceRequest) => unknown) | false>> = {
    'fs/read_text_file': fs !== false && ((request) => readTextFile(request, limits)),
    'fs/write_text_file': fs === true && ((request) => writeTextFile(request, limits)),
    'terminal/create': terminal && ((request) => terminals.create(request)),
    'terminal/output': terminal && ((request) => terminals.output(request)),
    'terminal/wait_for_exit': terminal && ((request) => terminals.waitForExit(request)),
    'terminal/kill': terminal && ((request) => terminals.kill(request)),
    'terminal/release': terminal && ((request) => terminals.release(request)),
  };
  return {
    info: options.info,
    capabilities: { fs: { readTextFile: fs !== false, writeTextFile: fs === true }, terminal },
    async handle(request) {
      const handler = Object.hasOwn(handlers, request.method) && handlers[request.method];
      if (!handler) throw new ClientRequestError(-32601, `Method not found: ${request.method}`);
      return handler(request);
    },
    release: (sessionId) => terminals.releaseSession(sessionId),
  };
}
