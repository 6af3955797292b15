/** Virtual files in the table `workspace_files`, for agents without a disk. */
import { countParam, sliceLines } from './protocol/fs-lines.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import type { ClientServiceRequest, ClientServices, SqlDatabase } from './ports.ts';
import { database as checkDatabase, options as checkOptions } from './sessions/arguments.ts';
import { withLimits } from './with-limits.ts';

/** Becomes a JSON-RPC error with this code. */
class FsError extends Error {
  readonly code: number;
  readonly data: unknown;
  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

const invalid = (problem: string): FsError => new FsError(-32602, `Invalid params: ${problem}`);

export interface WorkspaceOptions {
  readonly limits?: Partial<Record<'workspaceFileBytes' | 'workspaceFileCount', number | undefined>> | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly clock?: (() => number) | undefined;
}

/**
 * Files for agents without a disk: answers ACP's `fs/*` from the table `workspace_files`, so that what an agent wrote survives sleep. Give
 * it to `createHost` as `client`.
 *
 * @example
 * const host = await createHost({ database, agents, client: workspaceFiles(database) });
 */
export function workspaceFiles(database: SqlDatabase, options: WorkspaceOptions = {}): ClientServices {
  checkDatabase(database, 'database', DEFAULT_LIMITS);
  checkOptions('workspaceFiles', options, [], ['limits', 'clock'], DEFAULT_LIMITS);
  const limits = withLimits(DEFAULT_LIMITS, options.limits);
  const clock = options.clock ?? Date.now;

  async function read({ params, sessionId, ...roots }: ClientServiceRequest): Promise<unknown> {
    const path = insideRoots(params['path'], roots);
    const line = countParam(params, 'line', 1, invalid);
    const limit = countParam(params, 'limit', 0, invalid);
    const [row] = await database.query('SELECT content FROM workspace_files WHERE session_id = ? AND path = ?', [sessionId, path]);
    if (!row) throw new FsError(-32002, `Resource not found: ${path}`, { uri: path });
    return { content: sliceLines(String(row['content']), line, limit) };
  }

  async function write({ params, sessionId, ...roots }: ClientServiceRequest): Promise<unknown> {
    const path = insideRoots(params['path'], roots);
    const { content } = params;
    if (typeof content !== 'string') throw invalid('content must be a string');
    const bytes = new TextEncoder().encode(content).length;
    if (bytes > limits.workspaceFileBytes) {
      throw new FsError(
        -32603,
        `limit_exceeded: ${path} would have ${bytes} bytes; workspaceFileBytes allows ${limits.workspaceFileBytes}`,
      );
    }
    // The statement that writes also counts, so that two writes at once cannot exceed the limit.
    const [written] = await database.batch([
      {
        sql: `INSERT INTO workspace_files (session_id, path, content, updated_at)
SELECT ?, ?, ?, ? WHERE (SELECT count(*) FROM workspace_files WHERE session_id = ? AND path <> ?) < ?
ON CONFLICT (session_id, path) DO UPDATE SET content = excluded.content, updated_at = excluded.updated_at
RETURNING path`,
        params: [sessionId, path, content, clock(), sessionId, path, limits.workspaceFileCount],
        note: 'file_written',
      },
    ]);
    if (written?.rows.length !== 1)
      throw new FsError(-32603, `limit_exceeded: workspaceFileCount allows ${limits.workspaceFileCount} files a session`);
    return {};
  }

  return {
    capabilities: { fs: { readTextFile: true, writeTextFile: true } },
    handle(request) {
      if (request.method === 'fs/read_text_file') return read(request);
      if (request.method === 'fs/write_text_file') return write(request);
      return Promise.reject(new FsError(-32601, `Method not found: ${request.method}`));
    },
    release: () => Promise.resolve(),
  };
}

/** The normalised path, if it is in the session's directories. Virtual files have no links, so comparing texts is enough. */
export function insideRoots(path: unknown, roots: { readonly cwd: string; readonly additionalDirectories: readonly string[] }): string {
  if (typeof path !== 'string' || !path.startsWith('/') || path.includes('\0')) {
    throw invalid(`path must be absolute, got ${JSON.stringify(path)}`);
  }
  const normal = normalise(path);
  const allowed = [roots.cwd, ...roots.additionalDirectories].map(normalise);
  if (!allowed.some((root) => root === '/' || (normal.startsWith(`${root}/`) && normal !== root))) {
    throw invalid(`${normal} is outside the session's directories (${allowed.join(', ')})`);
  }
  return normal;
}

function normalise(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return `/${parts.join('/')}`;
}
