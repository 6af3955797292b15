/** What agents may ask of a host on Node: files in the session's directories, and terminals. */
import type { ClientServices } from '../../../engine/ports.ts';
import { readTextFile, writeTextFile } from './files.ts';
import { CLIENT_LIMITS, type ClientLimits, ClientRequestError } from './request.ts';
import { Terminals } from './terminals.ts';
import { withLimits } from '../../../engine/with-limits.ts';

export { CLIENT_LIMITS, type ClientLimits } from './request.ts';

export interface NodeClientOptions {
  /** What is offered of files: `false`, `read`, or both reading and writing. Default both. */
  readonly fs?: boolean | 'read';
  /** Whether terminals are offered. Default true. They have the host's rights, and no directory binds them. */
  readonly terminal?: boolean;
  /** Whether terminals get this process's environment. Default true. */
  readonly inheritEnv?: boolean;
  readonly limits?: Partial<ClientLimits>;
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
  const limits: ClientLimits = withLimits(CLIENT_LIMITS, options.limits);
  const reads = options.fs !== false;
  const writes = options.fs === undefined || options.fs === true;
  const runs = options.terminal !== false;
  const terminals = new Terminals(limits, options.inheritEnv === false ? {} : process.env);
  return {
    capabilities: { fs: { readTextFile: reads, writeTextFile: writes }, terminal: runs },
    async handle(request) {
      switch (request.method) {
        case 'fs/read_text_file':
          if (reads) return readTextFile(request, limits);
          break;
        case 'fs/write_text_file':
          if (writes) return writeTextFile(request, limits);
          break;
        case 'terminal/create':
          if (runs) return terminals.create(request);
          break;
        case 'terminal/output':
          if (runs) return terminals.output(request);
          break;
        case 'terminal/wait_for_exit':
          if (runs) return terminals.waitForExit(request);
          break;
        case 'terminal/kill':
          if (runs) return terminals.kill(request);
          break;
        case 'terminal/release':
          if (runs) return terminals.release(request);
      }
      throw new ClientRequestError(-32601, `Method not found: ${request.method}`);
    },
    release: (sessionId) => terminals.releaseSession(sessionId),
  };
}
