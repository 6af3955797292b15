/** What the site says about each error code. The record's type makes a code without help a compile error. */
import type { ErrorCode } from '../engine/errors.ts';

/** `means` is one line, for the table; `data`, what stands in `error.data`. */
export const ERROR_HELP: Readonly<Record<ErrorCode, Readonly<Record<'means' | 'causes' | 'remedy' | 'data', string>>>> = {
  invalid_argument: {
    means: 'An argument has a wrong type, value or combination.',
    causes:
      'An empty prompt, a relative working directory, an unknown policy or mode, a number where none can be; a mode or option that the live agent refuses; a function of the host’s options that throws, or gives what it must not.',
    remedy: 'The message says what is wrong. No prompt was sent.',
    data: 'what was wrong, where it has a name: `sessionId`, `limit`, `line`; for an event cursor `after`, `firstSeq` and `latestSeq`; of a function that was given, `option`',
  },
  session_not_found: {
    means: 'There is no such session in this database.',
    causes:
      'A mistyped id, a deleted session, or another database than you think: `--db`, `$REHYDRATE_DB` and the default are three places.',
    remedy: '`rehydrate sessions` or `host.list()` shows what is there.',
    data: '`sessionId`',
  },
  session_exists: {
    means: 'A session with this id is already there.',
    causes: '`create` was called twice with the same `sessionId`.',
    remedy: 'Prompt the one that exists, delete it, or choose another id.',
    data: '`sessionId`',
  },
  session_busy: {
    means: 'Another live host, or another client of the agent, holds the session.',
    causes:
      'Two processes on one session, or on one idempotency key; an owner that cannot be judged within the lease time; an agent that says the session is open elsewhere.',
    remedy: 'The message names the owner. End it, or wait until it lets go. Reading works meanwhile.',
    data: '`sessionId`; `owner` (kind, process id, …) or null where it is not known, `expiresAt` of its lease; of an agent that has it open elsewhere `attempts`',
  },
  session_not_resumable: {
    means: 'Policy `strict`, and the agent cannot take the session up.',
    causes: 'The agent lost the session or cannot resume at all, and a transcript was forbidden.',
    remedy: 'Use policy `auto` or `transcript`, or create a new session.',
    data: '`sessionId`, `attempts`',
  },
  resume_indeterminate: {
    means: 'The agent failed in a way that does not show whether it has the session.',
    causes: 'An internal error of the agent, a full disk, a network it needs.',
    remedy:
      'Read the raw error in `data`. Try again when its cause is gone. If you know that the session is lost, use policy `transcript`.',
    data: '`sessionId`, `attempts`, the last with the raw `error`; `exit`, if it ended',
  },
  auth_required: {
    means: 'The agent wants you to authenticate.',
    causes: 'It asked for a login, in words or by the code −32000.',
    remedy: '`data` lists its methods: `host.authenticate(agent, methodId)` or `--auth METHOD`, or the agent’s own login command.',
    data: '`agent`, `authMethods`, `error`',
  },
  agent_not_found: {
    means: 'There is no such agent, or its program does not exist.',
    causes: 'A name the launcher does not know; a program that is not on the `PATH`; a name that is not on the bridge’s list.',
    remedy: 'Check the spelling, and that the program starts in the same shell.',
    data: '`agent`; the names there are',
  },
  agent_start_failed: {
    means: 'The agent could not be started, or ended before it was ready.',
    causes: 'A missing library, a wrong option, a crash at once.',
    remedy: 'The message quotes the end of its stderr. Run the command by hand.',
    data: '`agent`; over a bridge `url`',
  },
  agent_timeout: {
    means: 'The agent did not answer in time.',
    causes: 'It hangs, waits for a login, or downloads something at its first start.',
    remedy: 'The message names the limit; raise it if the agent is only slow. See [limits](/reference/limits/).',
    data: '`agent`, `method`, `afterMs`; of a resume `sessionId`, `attempts`',
  },
  agent_exited: {
    means: 'The agent process ended when it was needed.',
    causes: 'A crash, a kill, a lost connection.',
    remedy: 'The message says how it ended and quotes its stderr. The next prompt starts it again.',
    data: '`agent`, `method`, `exit`; of a resume `sessionId`, `attempts`',
  },
  agent_protocol_error: {
    means: 'The agent answered with an error, or with something that is not ACP.',
    causes: 'A failed model call is the common one; a broken agent the other.',
    remedy: '`data` has the raw answer. The turn is `failed`, and the session goes on.',
    data: '`agent` or `sessionId`, `method`, `error` as the agent gave it',
  },
  turn_in_progress: {
    means: 'This host is running a turn on this session.',
    causes: 'Two prompts at once.',
    remedy: 'Wait for it, or cancel it. With the same idempotency key both calls share one turn.',
    data: '`turnId`',
  },
  turn_outcome_unknown: {
    means: 'Nobody knows whether the prompt ran to its end.',
    causes:
      'The agent, its connection or the host died, the host slept, or the cancel grace ran out: `data.cause` says [which](/reference/advanced/architecture/sessions-and-persistence/create-and-prompt/#how-a-turn-ends).',
    remedy:
      'Look at what was done. Prompt on; to send the same again, use a new idempotency key or none. It is never sent again by itself.',
    data: '`turnId`, `cause` with its `kind`',
  },
  prompt_cancelled: {
    means: 'The prompt was cancelled before it was sent; there is no turn of it.',
    causes: '`host.cancel` while the session was being made live.',
    remedy: 'None is needed. Its idempotency key is unspent.',
    data: '`sessionId`',
  },
  idempotency_conflict: {
    means: 'This idempotency key was used with other content.',
    causes: 'A key that was not made for each prompt anew.',
    remedy: 'Use a fresh key.',
    data: '`sessionId`, `idempotencyKey`',
  },
  secret_missing: {
    means: 'A value that is not stored could not be had again.',
    causes: 'An environment variable or header the session was created with is not there now, or the `secrets` option failed.',
    remedy:
      'Set a variable; give a header again with its MCP server; or give either through the `secrets` option. No agent was started. See [secrets](/guides/secrets/#mcp-servers).',
    data: '`sessionId`, `missing`: the names',
  },
  cwd_missing: {
    means: 'The session’s working directory is gone.',
    causes: 'It was moved or deleted, or a disk is not mounted.',
    remedy: 'Put it back, or create a new session elsewhere. The history stays readable.',
    data: '`cwd`, or the additional directory that is gone',
  },
  limit_exceeded: {
    means: 'Something is larger or more than a limit allows.',
    causes: 'A huge prompt or message; one live session too many; a function of the host’s options that does not answer.',
    remedy: 'The message names the limit and what it allows. See [limits](/reference/limits/).',
    data: '`limit`, its name; `allowed` or `value`; `actual`, where it was counted',
  },
  database_too_new: {
    means: 'A newer version made this database.',
    causes: 'A downgrade.',
    remedy: 'Upgrade. The database was not touched. See [upgrade](/guides/upgrade/).',
    data: '`version` of the file, `known` to this code',
  },
  database_corrupt: {
    means: 'SQLite says that the file is damaged, or not a database.',
    causes: 'A bad disk, a copy made while it was written, another file under that name.',
    remedy:
      'Restore a [backup](/guides/back-up/), or let `sqlite3 FILE .recover` save what it can. With `data.turnId`, the prompt had been sent and its outcome is unknown.',
    data: '`column`, or `turnId`',
  },
  storage_full: {
    means: 'There is no room to write.',
    causes: 'A full disk or a browser’s quota.',
    remedy: 'Make room. If `data.turnId` is there, the prompt had been sent and its outcome is unknown; otherwise it was not sent.',
    data: '`turnId`, if the prompt was sent',
  },
  storage_unavailable: {
    means: 'The database cannot be read or written now.',
    causes:
      'It stays locked, may only be read, was closed, or its disk fails; `data.kind` says which. Or the file of a preamble cannot be written.',
    remedy:
      'Close what holds it, or give this user the right to write. If `data.turnId` is there, the prompt had been sent and its outcome is unknown; otherwise it was not sent.',
    data: '`kind`, or `option`; `turnId`, if the prompt was sent',
  },
  host_closed: {
    means: 'The host was put to sleep; it can still be read from, and nothing else can be done with it.',
    causes: 'A call after `host.sleep()`, or one that came while it went to sleep.',
    remedy: 'Open another host on the same database: all sessions are there.',
    data: 'nothing',
  },
};
