/** The commands that start no agent: `sessions`, `history`, `transcript`, `search`, `fork`, `export`, `import` and `delete`. */
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { RehydrateError } from '../../engine/errors.ts';
import type { Host } from '../../engine/index.ts';
import type { SessionInfo } from '../../engine/types.ts';
import { type Command, messageOf } from '../ends.ts';
import { EXIT } from '../table.ts';
import { storedEvents } from '../turn.ts';
import { eventLine, eventRecord, oneLine, formatTime } from '../format.ts';
import { databaseExists, databasePath, explain, openReader } from '../host.ts';
import { type Call, numberOf, has, one } from '../parse.ts';
import type { Output } from '../output.ts';

export const sessions: Command = ({ call, output }) =>
  onPages(
    call,
    output,
    async (host, cursor) => {
      const { sessions, nextCursor } = await host.list({ limit: 100, ...cursor });
      return { nextCursor, rows: sessions.map((session) => ({ json: { type: 'session', session }, line: sessionLine(session) })) };
    },
    'There are no sessions in this database; the first prompt makes one.',
  );

export const search: Command = ({ call, output }) =>
  onPages(
    call,
    output,
    async (host, cursor) => {
      const { hits, nextCursor } = await host.search(call.words.join(' '), cursor);
      const line = ({ sessionId, seq, role, snippet }: (typeof hits)[number]) =>
        `${sessionId.padEnd(20)}  ${String(seq).padStart(5)}  ${role}: ${snippet}`;
      return { nextCursor, rows: hits.map((hit) => ({ json: { type: 'hit', hit }, line: line(hit) })) };
    },
    'No message has all of these words in it. Search for fewer.',
  );

export const history: Command = async ({ call, output }) =>
  onSession(call, async (host, sessionId) => {
    for await (const event of storedEvents(host, sessionId, numberOf(call, 'after'), numberOf(call, 'limit'))) {
      if (output.gone) return;
      if (has(call, 'json')) output.json(eventRecord(event));
      else output.line(eventLine(event));
      await output.room();
    }
  });

export const transcript: Command = async ({ call, output }) =>
  onSession(call, async (host, sessionId) => {
    const budget = numberOf(call, 'budget');
    const text = await host.transcript(sessionId, budget === undefined ? {} : { budget });
    if (text === '') {
      const { firstSeq, latestSeq } = await host.get(sessionId);
      output.note(
        latestSeq < firstSeq
          ? `Session ${sessionId} has no events yet.`
          : `Nothing of session ${sessionId} fits into ${budget} bytes: ask for more with --budget.`,
      );
    }
    output.text(text);
    output.freshLine();
  });

const remove: Command = async ({ call, output }) =>
  onSession(call, async (host, sessionId) => {
    await host.delete(sessionId);
    output.note(`Session ${sessionId} and its record are gone.`);
  });

export const fork: Command = async ({ call, output }) =>
  onSession(call, async (host, sessionId) => {
    const after = numberOf(call, 'after');
    const name = one(call, 'session');
    const made = await host.fork(sessionId, {
      ...(after === undefined ? {} : { after }),
      ...(name === undefined ? {} : { sessionId: name }),
    });
    output.line(made.sessionId);
  });

const exportSession: Command = async ({ call, output }) =>
  onSession(call, async (host, sessionId) => {
    for await (const line of host.export(sessionId)) {
      if (output.gone) return;
      output.text(`${line}\n`);
      await output.room();
    }
  });

const importSession: Command = async ({ call, output }) => {
  const [from = '-'] = call.words;
  const name = one(call, 'session');
  const lines = linesOf(from);
  return reading(databasePath(call), async (host) => {
    const made = await host.import(
      has(call, 'allow-mcp') ? lines : withoutPrograms(lines, from),
      name === undefined ? {} : { sessionId: name },
    );
    output.line(made.sessionId);
    output.note(`Its agent will work in ${[made.cwd, ...made.additionalDirectories].join(', ')}.`);
  });
};

/** Passes lines on, but refuses a session (the first line) whose MCP servers start programs, which the file's author would choose. */
async function* withoutPrograms(lines: AsyncIterable<string>, file: string): AsyncGenerator<string> {
  let first = true;
  for await (const line of lines) {
    const names = first ? programsIn(line) : [];
    if (names.length > 0)
      throw new RehydrateError(
        'invalid_argument',
        `The session in ${file} has MCP servers that start programs on this machine (${names.join(', ')}). If you trust the author of the file, import it with --allow-mcp.`,
        { servers: names },
      );
    first = false;
    yield line;
  }
}

function programsIn(line: string): string[] {
  let value: { readonly session?: { readonly mcp_servers?: unknown } } | null;
  try {
    value = JSON.parse(line) as typeof value;
  } catch {
    return []; // the host will say what is wrong with the line
  }
  const servers = value?.session?.mcp_servers;
  return (Array.isArray(servers) ? (servers as ({ readonly name?: unknown } | null)[]) : []).flatMap((server) =>
    typeof server === 'object' && server !== null && 'command' in server ? [String(server.name)] : [],
  );
}

export { exportSession as export, importSession as import, remove as delete };

/** The lines of a file. Only a line feed ends one, because JSON may contain the other separators unescaped. */
async function* linesOf(file: string): AsyncGenerator<string> {
  // A generator opens the file only when somebody reads, who then gets the error if it is missing.
  const input: Readable = file === '-' ? process.stdin : createReadStream(file);
  // Throws on invalid UTF-8, and leaves out a byte-order mark.
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  try {
    for await (const chunk of input) {
      const lines = (rest + decoder.decode(chunk as Buffer, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
    rest += decoder.decode();
  } catch (error) {
    throw new RehydrateError(
      'invalid_argument',
      `The file cannot be read: ${messageOf(error)}. Check its path, and that it is UTF-8.`,
      {},
      { cause: error },
    );
  }
  if (rest !== '') yield rest;
}

interface Page {
  readonly rows: readonly { readonly json: object; readonly line: string }[];
  readonly nextCursor?: string | undefined;
}

async function onPages(
  call: Call,
  output: Output,
  pageAt: (host: Host, cursor: { cursor?: string }) => Promise<Page>,
  none: string,
): Promise<number> {
  const file = databasePath(call);
  if (!databaseExists(file)) {
    output.note(`There is no database ${file} yet; the first prompt makes it.`);
    return EXIT.ok;
  }
  return reading(file, async (host) => {
    let shown = 0;
    let cursor: string | undefined;
    do {
      const { rows, nextCursor } = await pageAt(host, cursor === undefined ? {} : { cursor });
      for (const { json, line } of rows) {
        if (has(call, 'json')) output.json(json);
        else output.line(line.replace(/[\r\n]+/g, ' '));
      }
      shown += rows.length;
      cursor = nextCursor;
      await output.room();
    } while (cursor !== undefined && !output.gone);
    if (shown === 0) output.note(none);
  });
}

async function onSession(call: Call, work: (host: Host, sessionId: string) => Promise<void>): Promise<number> {
  const file = databasePath(call);
  const [sessionId = ''] = call.words;
  if (!databaseExists(file)) {
    throw new RehydrateError(
      'session_not_found',
      `There is no session "${sessionId}": the database ${file} does not exist. Check --db and $REHYDRATE_DB.`,
      { sessionId, file },
    );
  }
  return reading(file, (host) => work(host, sessionId));
}

async function reading(file: string, work: (host: Host) => Promise<void>): Promise<number> {
  const open = await openReader(file);
  try {
    await work(open.host);
    return EXIT.ok;
  } catch (error) {
    throw explain(error, file);
  } finally {
    await open.close();
  }
}

function sessionLine(session: SessionInfo): string {
  return [
    session.sessionId.padEnd(20),
    session.state.padEnd(9),
    formatTime(session.updatedAt),
    `${session.latestSeq - session.firstSeq + 1} events`.padStart(12),
    session.agent.padEnd(16),
    oneLine(session.title ?? '', 50),
    session.cwd,
  ].join('  ');
}
