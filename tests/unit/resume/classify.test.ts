import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classifyResumeFailure, RECORDED_ANSWERS, type RecordedAnswer, type ResumeFailure } from '../../../src/engine/resume/classify.ts';

const ID = 'ses_2f9c1e7ab4d0';
const UUID = '0199f3c2-7a51-7c1e-9d4b-3c2b1a0f9e8d';

type Outcome = ResumeFailure['outcome'];
type Row = [outcome: Outcome, code: number, message: string, data?: unknown];

/** Words that say it, wherever an agent may put them. */
const UNKNOWN_WORDS = [
  `Session not found`,
  `session ${ID} not found`,
  `Session '${ID}' was not found.`,
  `Session with id ${ID} could not be found`,
  `The requested session (${ID}) does not exist`,
  `Session ${ID} doesn't exist`,
  `Session: ${ID} - not found`,
  `session ${ID}: not found`,
  `session=${ID} not found`,
  `Unknown session`,
  `Unknown session ID ${ID}`,
  `unknown thread: ${ID}`,
  `No such session: ${ID}`,
  `no such conversation`,
  `No session found with ID ${ID}`,
  `There is no session with id "${ID}"`,
  `No saved session found`,
  `No previous sessions found for this project.`,
  `no session ${ID}`,
  `Could not find session ${ID}`,
  `could not find a thread with that id`,
  `Couldn't find conversation ${ID}`,
  `Cannot find session`,
  `Can’t locate chat ${ID}`,
  `Unable to find session ${ID} on disk`,
  `Failed to locate conversation ${ID}`,
  `Failed to load session: session ${ID} not found`,
  `Failed to load session ${ID}: no such session`,
  `Error: thread not found: ${ID}`,
  `thread ${ID} is unknown to this agent`,
  `Conversation ${ID} is missing`,
  `The conversation has been deleted`,
  `Session expired`,
  `Session ${ID} has expired and was purged`,
  `This chat is no longer available`,
  `Session ${ID} no longer exists.`,
  `session is gone`,
  `rollout file not found`,
  `Session file not found: /home/u/.agent/sessions/${ID}.jsonl`,
  `session record not found for ${ID}`,
  `I do not know session ${ID}`,
  `We don't have a session with this id`,
  `Session ${ID} is not known`,
  `Session ID not recognized`,
  `Unrecognised session`,
  `Nonexistent session`,
  `Not found: session ${ID}`,
  `NotFoundError: Session: ${ID}`,
  `NotFound("session")`,
  `SessionNotFoundError`,
  `SESSION_NOT_FOUND`,
  `ERR_SESSION_NOT_FOUND: ${ID}`,
  `session-not-found`,
  `ThreadNotFound`,
  `unknownSession`,
  `Session does not exist\n    at Store.load (/app/dist/network/timeout.js:12:3)\n    at process.processTicks`,
  `Requested resource was not available: Session not found.`,
  `${ID} not found`,
  `not found: ${ID}`,
  `Invalid params: session not found`,
  `Session [${ID}] not found in database`,
  `session/load failed: session not found`,
  `Request failed\nSession ${ID} not found\nSee the log`,
  `Request failed; session ${ID} not found`,
  `Resume failed - session not found`,
  `Session 2f9c1e7a… not found`,
  `ACPSessionNotFoundError`,
  `Session ${ID} was evicted`,
  `Session ${ID} could not be located`,
  `{"error":{"code":"session_not_found","message":"gone"}}`,
  `Internal error: {"error":{"message":"Session not found"}}`,
];

/** Fields that say it. */
const UNKNOWN_DATA: unknown[] = [
  { kind: 'session_not_found' },
  { kind: 'unknown_session' },
  { code: 'SESSION_NOT_FOUND' },
  { code: 'NO_SUCH_SESSION' },
  { type: 'SessionNotFoundError' },
  { name: 'UnknownSessionError' },
  { error: { code: 'thread_not_found' } },
  { error: { message: 'Conversation not found' } },
  { cause: { cause: { message: 'no such session' } } },
  { errors: [{ detail: 'Unknown session' }] },
  { message: 'Session not found' },
  { details: { message: 'Session was deleted' } },
  'session_expired',
  ['Session not found', { sessionId: ID }],
];

/** Words in common, another matter, or words that no agent was seen to say: never a reason to leave a conversation behind. */
const OPAQUE: Row[] = [
  ['indeterminate', -32602, `Invalid session id: ${ID}`],
  ['indeterminate', -32603, `ENOENT: no such file or directory, open '/home/u/.agent/sessions/${ID}.json'`],
  ['indeterminate', -32603, 'This agent does not support loading sessions'],
  ['indeterminate', -32603, 'Not implemented'],
  ['indeterminate', -32603, 'Internal error'],
  ['indeterminate', -32603, 'Internal error', { details: 'Error' }],
  ['indeterminate', -32603, 'Not found'],
  ['indeterminate', -32603, 'Internal error', { details: 'Request failed with status code 404' }],
  ['indeterminate', -32603, 'NotFoundError', { resource: 'model' }],
  ['indeterminate', -32002, 'Resource not found', { uri: 'file:///home/u/notes.md' }],
  ['indeterminate', -32002, 'Resource not found: file:///home/u/project/README.md'],
  ['indeterminate', -32002, 'Resource not found', { path: '/home/u/project' }],
  ['indeterminate', -32002, 'Resource not found', { resourceType: 'model', id: 'gpt-9' }],
  ['indeterminate', -32002, 'File not found: config.toml'],
  ['indeterminate', -32002, 'Model not found', { sessionId: ID }],
  ['indeterminate', -32002, 'Server not initialized'],
  ['indeterminate', -32002, 'Resource not found', 'working directory /home/u/project not found'],
  ['indeterminate', -32002, 'Resource not found', { details: 'permission denied' }],
  ['indeterminate', -32603, 'model not found'],
  ['indeterminate', -32603, `Model not found for session ${ID}`],
  ['indeterminate', -32603, `MCP server not found for session ${ID}`],
  ['indeterminate', -32603, 'MCP server "files" not found'],
  ['indeterminate', -32603, 'MCP session not found'],
  ['indeterminate', -32603, 'Failed to connect to MCP server: Session not found'],
  ['indeterminate', -32603, 'working directory not found'],
  ['indeterminate', -32603, `Could not load session ${ID}: working directory not found`],
  ['indeterminate', -32603, 'command not found: git'],
  ['indeterminate', -32603, `session ${ID}: command not found: rg`],
  ['indeterminate', -32603, 'session file could not be read: permission denied'],
  ['indeterminate', -32603, `EACCES: permission denied, open '/home/u/.agent/sessions/${ID}.json'`],
  ['indeterminate', -32603, "ENOENT: no such file or directory, open '/home/u/.agent/config.json'"],
  ['indeterminate', -32603, `ENOENT: no such file or directory, chdir '/home/u/project'`, { sessionId: ID }],
  ['indeterminate', -32603, 'Session storage unavailable'],
  ['indeterminate', -32603, 'Session store not found'],
  ['indeterminate', -32603, 'no active session store'],
  ['indeterminate', -32603, 'Session service timed out'],
  ['indeterminate', -32603, `Could not find session ${ID}: connect ECONNREFUSED 127.0.0.1:4096`],
  ['indeterminate', -32603, 'Session not found', { details: 'connect ECONNREFUSED 127.0.0.1:4096' }],
  ['indeterminate', -32603, `Session ${ID} not found or permission denied`],
  ['indeterminate', -32603, `Session ${ID} may have expired`],
  ['indeterminate', -32603, 'Could not determine whether the session exists'],
  ['indeterminate', -32603, 'Check if the session does not exist'],
  ['indeterminate', -32603, `Session ${ID} was not deleted`],
  ['indeterminate', -32603, `Session ${ID} has not expired`],
  ['indeterminate', -32603, 'This is not an unknown session'],
  ['indeterminate', -32603, 'Session found but model not found'],
  ['indeterminate', -32603, `Session ${ID} is corrupt`],
  ['indeterminate', -32603, `Failed to load session ${ID}`],
  ['indeterminate', -32603, `Failed to resume session ${ID}: unknown error`],
  ['indeterminate', -32603, 'Session unknown error'],
  ['indeterminate', -32603, 'session state unknown'],
  ['indeterminate', -32603, 'Unknown session mode'],
  ['indeterminate', -32603, 'Unknown session update kind'],
  ['indeterminate', -32603, 'Unknown session config option "model"'],
  ['indeterminate', -32602, 'Missing session id'],
  ['indeterminate', -32602, 'sessionId is missing'],
  ['indeterminate', -32602, 'session id not found in request params'],
  ['indeterminate', -32602, 'Invalid params', { errors: [{ path: ['sessionId'], message: 'expected string' }] }],
  ['indeterminate', -32602, 'Invalid params: cwd must be absolute'],
  ['indeterminate', -32603, 'session token expired'],
  ['indeterminate', -32603, 'Session token not found'],
  ['indeterminate', -32603, 'Login session expired'],
  ['indeterminate', -32603, 'Browser session not found'],
  ['indeterminate', -32603, 'Unauthorized: session expired'],
  ['indeterminate', -32603, 'API key not found for session'],
  ['indeterminate', -32603, 'Provider not found while loading the session'],
  ['indeterminate', -32603, `Cannot read properties of undefined (reading 'messages')`],
  ['indeterminate', -32603, `Unexpected token } in JSON at position 120 of ${ID}.json`],
  ['indeterminate', -32603, 'Session version 3 is newer than this agent'],
  ['indeterminate', -32603, 'Session already exists'],
  ['indeterminate', -32603, 'No messages found for session'],
  ['indeterminate', -32603, 'database is locked'],
  ['indeterminate', -32603, 'Rate limit reached, session not loaded'],
  ['indeterminate', -32601, '"Method not found": fs/read_text_file', { method: 'fs/read_text_file' }],
  ['indeterminate', -32800, 'Request cancelled'],
  ['indeterminate', -32700, 'Parse error'],
  ['indeterminate', -32603, ''],
  ['indeterminate', 0, 'x'],
  ['indeterminate', -32603, 'Internal error', { kind: 'unknown', sessionId: ID }],
  ['indeterminate', -32603, 'Internal error: some service failure', { service: 'provider' }],
];

const OTHERS: Row[] = [
  ['session_busy', -32603, `Session ${ID} is already in use`],
  ['session_busy', -32603, 'session is locked by pid 4711'],
  ['session_busy', -32602, 'Session is currently being used by another client'],
  ['session_busy', -32603, 'Another process has this session open'],
  ['session_busy', -32603, 'Internal error', { code: 'SESSION_LOCKED' }],
  ['session_busy', -32603, 'Internal error', { kind: 'session_busy' }],
  ['session_busy', -32603, 'Internal error', { name: 'SessionInUseError' }],
  ['session_busy', -32603, 'conversation is open in another window'],
  ['session_busy', -32000, 'Session already active'],
  ['indeterminate', -32603, `Session ${ID} is not locked`],
  ['indeterminate', -32603, 'listen EADDRINUSE: address already in use'],
  ['indeterminate', -32603, 'Session could not start: port already in use'],
  ['auth_required', -32603, 'Please log in'],
  ['auth_required', -32603, 'Internal error', { details: 'Not logged in. Run `agent login` first.' }],
  ['auth_required', -32603, 'Your session has expired. Please sign in again.'],
  ['auth_required', -32602, 'Internal error', { code: 'authentication_required' }],
  ['auth_required', -32603, 'You need to log in to load this session'],
  ['unknown_session', -32000, `Session not found: ${ID}`],
  ['unknown_session', -32000, 'Server error', { kind: 'unknown_session' }],
  ['indeterminate', -32603, 'MCP server "github": authentication required'],
  ['indeterminate', -32603, 'This session version is not supported'],
  ['indeterminate', -32603, 'Images are not supported by the model'],
];

/** A second table, written without looking at the patterns: how somebody else might put it. */
const ELSEWHERE: Row[] = [
  ['unknown_session', -32603, 'Internal error', { details: `Session ${UUID} not found in session store` }],
  ['unknown_session', -32603, `session_id ${UUID} does not exist`],
  ['unknown_session', -32001, 'Session not found'],
  ['unknown_session', 404, 'session not found'],
  ['unknown_session', -32602, `Invalid params: unknown session "${UUID}"`],
  ['unknown_session', -32603, `Failed to load session: Error: Session ${UUID} not found`],
  ['unknown_session', -32603, `Internal error`, { error: `thread/resume failed: no rollout found for thread id ${UUID}` }],
  [
    'unknown_session',
    -32603,
    `Error handling request`,
    { name: 'Error', message: `No conversation found with session ID: ${UUID}`, stack: 'Error: x\n at foo (timeout.js:1:1)' },
  ],
  ['unknown_session', -32603, `No active session for ${UUID}`],
  ['unknown_session', -32603, `The session you are trying to resume was not found`],
  ['unknown_session', -32603, `Could not find a session matching ${UUID}`],
  ['unknown_session', -32603, `could not resume: session unknown`],
  ['unknown_session', -32603, `Attempted to load nonexistent session`],
  ['unknown_session', -32603, `That session has been removed.`],
  ['unknown_session', -32603, `I have no session called ${UUID}`],
  ['unknown_session', -32603, `Session ${UUID} is stale or unknown`],
  ['unknown_session', -32603, `Error loading session: no such session exists`],
  ['unknown_session', -32603, `Session lost`],
  ['unknown_session', -32603, `I don't recognize session ${UUID}`],
  ['unknown_session', -32603, `Unrecognized session identifier: ${UUID}`],
  ['unknown_session', -32603, `The session has been purged by retention policy`],
  ['unknown_session', -32603, `Session ${UUID} not present`],
  ['unknown_session', -32603, `Session does not exist or has been deleted`],
  ['unknown_session', -32603, `Session not found or expired`],
  ['unknown_session', -32603, `chat ${UUID} not found (deleted?)`],
  ['unknown_session', -32603, `KeyError: unknown session '${UUID}'`],
  ['unknown_session', -32603, `anyhow: session not found`],
  ['unknown_session', -32603, `Session ID ${UUID} not found in /home/me/.agent/sessions`],
  ['unknown_session', -32002, `Session ${UUID} not found`, { uri: `session://${UUID}` }],
  ['unknown_session', -32002, `Resource not found: session`, { sessionId: UUID }],
  ['unknown_session', -32002, `Not Found`],
  ['unknown_session', -32602, `Invalid params`, { message: 'session not found', sessionId: UUID, hint: 'use session/new to start over' }],
  ['unknown_session', -32603, `unknown_session_id`],
  ['unknown_session', -32603, `session.not_found`],
  ['unknown_session', -32603, `SessionDoesNotExist`],
  ['unknown_session', -32603, `Unknown session: ${UUID}. Available sessions: a, b, c`],
  ['unknown_session', -32603, `Unable to resume session ${UUID}: it does not exist`],
  ['unknown_session', -32603, `Cannot resume session ${UUID} because it no longer exists`],
  ['unknown_session', -32603, `session 'abc' (${UUID}) not found`],
  ['unknown_session', -32603, `did not find session`],
  ['unknown_session', -32603, `Session, ${UUID}, not found`],
  ['unknown_session', -32603, `no thread with id: ${UUID}`],
  ['unknown_session', -32603, `SESSION NOT FOUND!!!`],
  ['indeterminate', -32603, `Could not find session because the database is unavailable`],
  ['indeterminate', -32603, `Session lookup failed: connection refused`],
  ['indeterminate', -32603, `Failed to open session file: too many open files`],
  ['indeterminate', -32603, `Failed to parse session ${UUID}: missing field "messages"`],
  ['indeterminate', -32603, `Session ${UUID} is missing field cwd`],
  ['indeterminate', -32603, `session model gpt-9 not found`],
  ['indeterminate', -32603, `Session failed: agent profile not found`],
  ['indeterminate', -32603, `The working directory of session ${UUID} does not exist`],
  ['indeterminate', -32603, `Working directory for session ${UUID} no longer exists`],
  ['indeterminate', -32603, `cwd /x of session does not exist`],
  ['indeterminate', -32603, `Session ${UUID}: git not found`],
  ['indeterminate', -32603, `Session ${UUID}: ripgrep binary not found in PATH`],
  ['indeterminate', -32603, `No model configured for session ${UUID}`],
  ['indeterminate', -32603, `No provider found for session ${UUID}`],
  ['indeterminate', -32603, `Session ${UUID} has no messages`],
  ['indeterminate', -32603, `Unknown error while loading session ${UUID}`],
  ['indeterminate', -32603, `unknown variant "foo" in session ${UUID}`],
  ['indeterminate', -32603, `Session loaded, but tool not found`],
  ['indeterminate', -32603, `session not ready`],
  ['indeterminate', -32603, `session not loaded`],
  ['indeterminate', -32603, `session not initialized`],
  ['indeterminate', -32603, `session not supported`],
  ['indeterminate', -32603, `session is closed`],
  ['indeterminate', -32603, `Session limit reached`],
  ['indeterminate', -32603, `Too many sessions`],
  ['indeterminate', -32603, `Session creation failed`],
  ['indeterminate', -32603, `Not found: /home/u/project/.mcp.json`],
  ['indeterminate', -32603, `npm: command not found while restoring session`],
  ['indeterminate', -32603, `User not found`],
  ['indeterminate', -32603, `Workspace not found for this session`],
  ['indeterminate', -32603, `Failed to decrypt session`],
  ['indeterminate', -32603, `Session checksum mismatch`],
  ['indeterminate', -32603, `ENOENT: no such file or directory, open '/home/u/.agent/${UUID}/lock'`],
  ['indeterminate', -32603, `ENOENT: no such file or directory, uv_cwd`],
  ['indeterminate', -32603, `Docker container for session not found`],
  ['indeterminate', -32603, `Remote host not found (session ${UUID})`],
  ['indeterminate', -32002, `Resource not found`, { uri: 'file:///a/b' }],
  ['indeterminate', -32002, `MCP resource not found: db://x`],
  ['indeterminate', -32002, `Resource not found: /a/b.txt`],
  ['indeterminate', -32002, `Prompt template not found`],
  ['indeterminate', -32603, `Session expired token; refresh failed`],
  ['indeterminate', -32603, `OAuth session expired`],
  ['indeterminate', -32603, `session cookie expired`],
  ['indeterminate', -32603, `Upstream returned 500: session could not be fetched`],
  ['indeterminate', -32603, `Could not verify that session ${UUID} exists`],
  ['indeterminate', -32603, `If the session does not exist, create one`],
  ['indeterminate', -32603, `Failed to check whether session was deleted`],
  ['indeterminate', -32603, `no space left on device while loading session`],
  ['indeterminate', -32603, `Session ${UUID} was found but its transcript is corrupt`],
  ['indeterminate', -32603, `Internal error`, { sessionId: UUID }],
  ['indeterminate', -32603, `Internal error`, { sessionId: UUID, reason: 'missing' }],
  ['indeterminate', -32602, `Invalid params`, { path: ['sessionId'], expected: 'string', received: 'undefined', message: 'Required' }],
  ['indeterminate', -32602, `Missing required parameter: sessionId`],
  ['indeterminate', -32602, `session id must not be empty`],
  ['indeterminate', -32602, `Unknown parameter sessionId`],
  ['indeterminate', -32602, `unknown field sessionId`],
  ['indeterminate', -32602, `mcpServers[0] not found`],
  ['session_busy', -32603, `Session ${UUID} is already being used by PID 123`],
  ['session_busy', -32603, `This conversation is in use in another terminal`],
  ['session_busy', -32603, `session locked`],
  ['session_busy', -32002, `Session is already open in another process`, { sessionId: UUID }],
  ['indeterminate', -32603, `database is locked while loading session ${UUID}`],
  ['auth_required', -32000, `Authentication required`],
  ['auth_required', -32603, `401 Unauthorized: please run /login`],
  ['auth_required', -32603, `You must be logged in`],
  ['auth_required', -32603, `Login required to access session ${UUID}`],
  ['unsupported', -32601, `Method not found`, { method: 'session/load' }],
  ['unknown_session', -32603, 'Internal error', { details: { reason: `session ${UUID} missing` } }],
  ['unknown_session', -32603, 'Internal error', { type: 'session.not_found', id: UUID }],
  ['unknown_session', -32603, 'Internal error', { errorCode: 'UNKNOWN_THREAD' }],
  ['unknown_session', -32603, 'Internal error', { kind: 'SessionNotFound' }],
  ['unknown_session', -32603, 'Internal error', { kind: 'session-missing' }],
  ['unknown_session', -32603, 'Internal error', { kind: 'no_such_session' }],
  ['unknown_session', -32603, 'Internal error', { kind: 'conversation_unknown' }],
  ['unknown_session', -32603, 'Internal error', { kind: 'session_gone' }],
  ['unknown_session', -32603, 'Internal error', { kind: 'SESSION_EXPIRED' }],
  ['unknown_session', -32603, 'Internal error', { kind: 'thread.missing' }],
  ['unknown_session', -32603, 'Internal error', { name: 'NoSuchSessionError' }],
  ['unknown_session', -32603, 'Internal error', { name: 'ConversationNotFoundException' }],
  ['unknown_session', -32603, 'Internal error', { name: 'NotFoundError', data: { message: 'Session not found: x' } }],
  ['unknown_session', -32603, 'oops: session not known here'],
  ['unknown_session', -32603, `The agent has no session ${UUID}.`],
  ['unknown_session', -32603, `The agent does not have a session with ID ${UUID}`],
  ['unknown_session', -32603, `There's no such thread anymore`],
  ['unknown_session', -32603, `Session '${UUID}' isn't known`],
  ['unknown_session', -32603, `session ${UUID} hasn't been found`],
  ['unknown_session', -32603, `Cannot load session: not found`],
  ['unknown_session', -32603, `Cannot load session ${UUID}: not found`],
  ['unknown_session', -32603, `Failed to resume session ${UUID}: not found`],
  ['unknown_session', -32603, `Failed to load conversation: does not exist`],
  ['unknown_session', -32603, `Couldn't load chat: it doesn't exist`],
  ['unknown_session', -32603, `Given session does not exist.`],
  ['unknown_session', -32603, `we could not locate the conversation you asked for`],
  ['unknown_session', -32603, `this thread was deleted by the user`],
  ['unknown_session', -32602, `sessionId: unknown session`],
  ['unknown_session', -32602, `${UUID} does not exist`],
  ['unknown_session', -32602, `${UUID}: unknown session`],
  ['unknown_session', -32603, `Session not found.\nDid you mean one of: a, b?`],
  ['unknown_session', -32603, `Session not found. Please create a new session.`],
  ['unknown_session', -32603, `Session not found. Check that the session ID is correct.`],
  ['unknown_session', -32603, `Session not found - start a new one with session/new`],
  ['unknown_session', -32603, `[Error: Session not found]`],
  ['unknown_session', -32603, `Error(SessionNotFound("${UUID}"))`],
  ['unknown_session', -32603, `SessionError::NotFound(${UUID})`],
  ['unknown_session', -32002, `Resource not found`, { type: 'session', id: UUID }],
  ['unknown_session', -32002, ``, null],
  ['unknown_session', -32002, `Resource not found: ${UUID}`],
  ['unknown_session', -32002, `Unknown`],
  ['indeterminate', -32603, `Session error: file not found: src/main.ts`],
  ['indeterminate', -32603, `Session ${UUID} references a file that does not exist`],
  ['indeterminate', -32603, `The model used by session ${UUID} does not exist`],
  ['indeterminate', -32603, `The model used in this session is unknown`],
  ['indeterminate', -32603, `session ${UUID} uses unknown model "x"`],
  ['indeterminate', -32603, `session ${UUID} has unknown mode`],
  ['indeterminate', -32603, `Agent "build" not found for session ${UUID}`],
  ['indeterminate', -32603, `Session agent not found`],
  ['indeterminate', -32603, `session root /x not found`],
  ['indeterminate', -32603, `session project not found`],
  ['indeterminate', -32603, `Session directory does not exist`],
  ['indeterminate', -32603, `sessions directory missing`],
  ['indeterminate', -32603, `session snapshot is from unknown version`],
  ['indeterminate', -32603, `session schema unknown`],
  ['indeterminate', -32603, `Key not found: session`],
  ['indeterminate', -32603, `config key "session" not found`],
  ['indeterminate', -32603, `column session not found`],
  ['indeterminate', -32603, `no such table: sessions`],
  ['indeterminate', -32603, `no such column: session_id`],
  ['indeterminate', -32603, `table session does not exist`],
  ['indeterminate', -32603, `relation "sessions" does not exist`],
  ['indeterminate', -32603, `module 'session' not found`],
  ['indeterminate', -32603, `Cannot find module './session'`],
  ['indeterminate', -32603, `Cannot find name 'session'`],
  ['indeterminate', -32603, `function session_load does not exist`],
  ['indeterminate', -32603, `SessionStore is not initialized`],
  ['indeterminate', -32603, `session manager missing`],
  ['indeterminate', -32603, `Missing session configuration`],
  ['indeterminate', -32603, `Missing session token`],
  ['indeterminate', -32603, `missing session header`],
  ['indeterminate', -32603, `no session store configured`],
  ['indeterminate', -32603, `no session permissions`],
  ['indeterminate', -32603, `chat completion endpoint not found`],
  ['indeterminate', -32603, `Chat model not found`],
  ['indeterminate', -32603, `thread pool missing`],
  ['indeterminate', -32603, `thread 'main' panicked at 'index out of bounds'`],
  ['indeterminate', -32603, `worker thread not found`],
  ['indeterminate', -32603, `Conversation compaction failed: model not found`],
  ['indeterminate', -32603, `Error while deleting expired sessions`],
  ['indeterminate', -32603, `Failed to clean up deleted sessions`],
  ['indeterminate', -32603, `session expired hook failed`],
  ['indeterminate', -32603, `Could not restore session: EACCES`],
  ['indeterminate', -32603, `Could not restore session: unknown`],
  ['indeterminate', -32603, `Session restore failed for unknown reasons`],
  ['indeterminate', -32603, `The session's container no longer exists`],
  ['indeterminate', -32603, `session workspace was deleted`],
  ['indeterminate', -32603, `Session ${UUID} lost connection to the server`],
  ['indeterminate', -32603, `Session found, history not found`],
  ['indeterminate', -32603, `not sure what happened to session ${UUID}`],
  ['indeterminate', -32603, `Session ${UUID} could not be loaded`],
  ['indeterminate', -32603, `Session unavailable`],
  ['indeterminate', -32603, `Session temporarily unavailable`],
  ['indeterminate', -32603, `session temporarily unavailable, not found on this node, retry`],
  ['indeterminate', -32603, `Session not found in cache; loading from disk failed: EIO`],
  ['indeterminate', -32603, `Error 404`],
  ['indeterminate', -32603, `404 Not Found`],
  ['indeterminate', -32603, `Not Found`, { url: 'https://api.example.com/v1/messages' }],
  ['indeterminate', -32603, `The requested URL was not found`],
  ['indeterminate', -32603, `Cannot POST /session: not found`],
  ['indeterminate', -32603, `AWS session expired`],
  ['indeterminate', -32603, `SSO session has expired or is invalid`],
  ['indeterminate', -32603, `The SSO session associated with this profile has expired`],
  ['indeterminate', -32603, `Your login session has expired`],
  ['indeterminate', -32603, `dbus session bus not found`],
  ['indeterminate', -32603, `No X session found`],
  ['indeterminate', -32603, `desktop session not found`],
  ['indeterminate', -32603, `tmux: no sessions`],
  ['indeterminate', -32603, `no server running`],
  ['indeterminate', -32603, `Transcript not found`],
  ['indeterminate', -32603, `History not found`],
];

const at = (code: number, message: string, data: unknown, listed?: 'present' | 'absent' | 'unknown', agentSessionId = ID) =>
  classifyResumeFailure({ code, message, data }, { method: 'session/load', agentSessionId, listed });

/** A recorded answer as an agent would give it for this session. */
function told({ answer }: RecordedAnswer, id: string): { code: number; message: string; data?: unknown } {
  const { code, message, data } = 'says' in answer ? { code: -32603, message: 'Internal error', data: { details: answer.says } } : answer;
  const fill = (text: string) => text.replaceAll('{id}', id).replaceAll('…', ' etc. ');
  const filled =
    typeof data === 'object' ? Object.fromEntries(Object.entries(data as object).map(([key, value]) => [key, fill(value)])) : data;
  return { code, message: fill(message), data: typeof filled === 'string' ? fill(filled) : filled };
}

describe('which failure moves on', () => {
  it.each(RECORDED_ANSWERS.map((answer) => [answer.agent, answer] as const))('as %s answers', (_, answer) => {
    for (const method of answer.atPrompt ? (['session/load', 'session/prompt'] as const) : (['session/load', 'session/resume'] as const)) {
      const { outcome, evidence, weak } = classifyResumeFailure(told(answer, ID), { method, agentSessionId: ID });
      expect({ outcome, weak }).toEqual({ outcome: answer.outcome, weak: answer.weak });
      expect(evidence).toMatch(/^recorded-answer: /);
    }
  });

  it.each([`No conversation found with session ID: ${ID}`, 'Error: --resume requires a valid session ID when used with --print'])(
    'in the words of Claude agent, where “ID” is a word and not the session’s: %s',
    (details) => {
      expect(at(-32603, 'Internal error', { details }).evidence).toMatch(/^recorded-answer: /);
    },
  );

  it('a recorded answer about another session is none', () => {
    for (const answer of RECORDED_ANSWERS) {
      const { code, message, data } = told(answer, UUID);
      if (JSON.stringify([message, data]).includes(UUID)) expect(at(code, message, data).evidence).not.toMatch(/^recorded-answer: /);
    }
  });

  it.each(OTHERS)('%s: %d %s %j', (outcome, code, message, data) => {
    expect(at(code, message, data)).toMatchObject({ outcome });
  });

  it.each(ELSEWHERE)('elsewhere, %s: %d %s %j', (outcome, code, message, data) => {
    expect(at(code, message, data, undefined, UUID)).toMatchObject({ outcome });
    expect(at(code, message, data, 'unknown', UUID)).toMatchObject({ outcome });
  });

  it.each(UNKNOWN_WORDS)('unknown_session in words: %s', (words) => {
    for (const [message, data] of [
      [words, undefined],
      ['Internal error', words],
      ['Internal error', { details: words }],
      ['Invalid params', { error: { message: words } }],
    ]) {
      const { outcome, evidence } = at(-32603, message as string, data);
      expect([outcome, message, data, evidence]).toEqual(['unknown_session', message, data, evidence]);
    }
  });

  it.each(UNKNOWN_DATA.map((data) => [data]))('unknown_session in fields: %j', (data) => {
    expect(at(-32603, 'Internal error', data)).toMatchObject({ outcome: 'unknown_session' });
  });

  it.each(OPAQUE)('I4: an opaque error never costs a user their history: %s %d %s %j', (outcome, code, message, data) => {
    expect(at(code, message, data)).toMatchObject({ outcome });
    expect(at(code, message, data, 'present')).toMatchObject({ outcome: 'indeterminate' });
  });

  it.each([
    ...['permission', 'access denied', 'forbidden', 'unauthorised', 'timeout', 'it timed out', 'refused', 'unreachable', 'unavailable'],
    ...['network', 'corrupt', 'quota', 'overloaded', 'rate limited', 'out of memory', 'no token', 'credentials', 'API key', 'MCP'],
    ...['cannot decrypt', 'cannot parse', 'it could not be read', 'it is locked', 'disk full', 'ECONNRESET', 'EBUSY'],
  ])('I4: another cause beside it takes the verdict back: %s', (cause) => {
    expect(at(-32603, `Session ${ID} not found`, undefined).outcome).toBe('unknown_session');
    expect(at(-32603, `Session ${ID} not found`, { details: cause }).outcome).toBe('indeterminate');
    expect(at(-32603, 'Internal error', { details: `Invalid session identifier "${ID}"`, cause }).outcome).toBe('indeterminate');
    expect(at(-32603, 'Internal error', { details: `No conversation found with session ID: ${ID}`, cause }).outcome).toBe(
      'unknown_session',
    );
  });

  it.each([
    ...[
      'uri',
      'url',
      'path',
      'filePath',
      'file_name',
      'dir',
      'directory',
      'cwd',
      'modelId',
      'model',
      'tool',
      'toolName',
      'command',
      'server',
    ],
    ...['mode', 'folder', 'workspace', 'project', 'provider', 'prompt', 'template', 'config', 'binary', 'skill', 'plugin'],
  ])('I4: −32002 is about another resource where it names one, by its field or in words: %s', (name) => {
    expect(at(-32002, 'Resource not found', { sessionId: ID }).outcome).toBe('unknown_session');
    expect(at(-32002, 'Resource not found', { [name]: 'some' }).outcome).toBe('indeterminate');
    expect(at(-32002, `No such ${name}`, undefined).outcome).toBe('indeterminate');
  });

  it('−32002 with the name of a method is about the session', () => {
    expect(at(-32002, 'session/load: resource not found', undefined).outcome).toBe('unknown_session');
  });

  it('without a session id every word stands as it is', () => {
    expect(at(-32603, 'Please run /login', undefined, undefined, '').outcome).toBe('auth_required');
  });

  it('the table is large enough to mean something', () => {
    expect(OTHERS.length + UNKNOWN_WORDS.length + UNKNOWN_DATA.length + OPAQUE.length + ELSEWHERE.length).toBeGreaterThan(250);
  });
});

describe('what the list adds', () => {
  it.each(OPAQUE)('absence in a complete list makes any opaque error unknown_session: %s %d %s', (_, code, message, data) => {
    expect(at(code, message, data, 'absent').outcome).toBe('unknown_session');
  });

  it.each(OPAQUE)('a list that cannot tell changes nothing: %s %d %s', (_, code, message, data) => {
    expect(at(code, message, data, 'unknown').outcome).toBe('indeterminate');
  });

  it.each(OTHERS.filter(([outcome]) => ['auth_required', 'session_busy', 'unsupported'].includes(outcome)))(
    'absence does not outweigh %s: %d %s',
    (outcome, code, message, data) => {
      expect(at(code, message, data, 'absent').outcome).toBe(outcome);
    },
  );

  it('a list that shows the id takes back a shape, not words and not −32002', () => {
    expect(at(-32603, 'Internal error: OpenCode service failure', { service: 'session' }, 'present').outcome).toBe('indeterminate');
    expect(at(-32603, 'Internal error', { details: 'NotFoundError' }, 'present').outcome).toBe('indeterminate');
    expect(at(-32603, 'Invalid session id', undefined, 'present').outcome).toBe('indeterminate');
    expect(at(-32603, 'Session not found', undefined, 'present').outcome).toBe('unknown_session');
    expect(at(-32002, 'Resource not found', { sessionId: ID }, 'present').outcome).toBe('unknown_session');
  });

  it('marks what rests on a shape, so that the caller can ask for the list', () => {
    expect(at(-32603, 'Internal error: OpenCode service failure', { service: 'session' }).weak).toBe(true);
    expect(at(-32603, 'Session not found', undefined).weak).toBeUndefined();
  });
});

describe('what may be there later', () => {
  const LATER: [code: number, message: string, data?: unknown][] = [
    [-32603, 'Session not found in cache, try again'],
    [-32603, `Session ${ID} not found in cache. Please try again.`],
    [-32603, `session ${ID} not found on this node (temporary), retry`],
    [-32603, 'Internal error', { details: 'Session not found: the index is being rebuilt; retry later' }],
    [-32603, 'Session not found', { hint: 'Try again in a moment' }],
    [-32603, 'Session not found, please try it again later'],
    [-32603, 'Session not found', { kind: 'TransientError' }],
    [-32002, 'Resource not found', { sessionId: ID, details: 'temporarily missing' }],
  ];
  it.each(LATER)('costs no memory unless the list proves the absence: %d %s %j', (code, message, data) => {
    const told = { code, message, data };
    for (const method of ['session/load', 'session/resume', 'session/prompt'] as const) {
      const outcome = (listed?: 'present' | 'absent' | 'unknown') =>
        classifyResumeFailure(told, { method, agentSessionId: ID, listed }).outcome;
      expect([undefined, 'unknown', 'present', 'absent'].map((listed) => outcome(listed as 'absent'))).toEqual([
        'indeterminate',
        'indeterminate',
        'indeterminate',
        'unknown_session',
      ]);
    }
  });

  it.each([
    ['Session not found. Please try again.'],
    [`Session ${ID} not found, retry`],
    ['Session not found. Please start a new session and try again.'],
    ['Session not found, create another one and retry'],
    [`Unknown session ${ID}: retry with the correct id`],
    ['Session not found: try again with a different id'],
    ['Session not found. Retry with a valid session id.'],
    ['Session not found after retrying'],
    ['Session not found after 3 retries'],
    ['Session not found in temporary directory'],
  ])('but not where it is only asked to try again: %s', (message) => {
    for (const code of [-32603, -32002]) expect(at(code, message, undefined).outcome).toBe('unknown_session');
  });
});

describe('at a prompt', () => {
  const prompt = (code: number, message: string, data?: unknown, listed?: 'present' | 'absent' | 'unknown') =>
    classifyResumeFailure({ code, message, data }, { method: 'session/prompt', agentSessionId: ID, ...(listed ? { listed } : {}) }).outcome;

  it.each([
    ['unknown_session', -32002, 'Resource not found', { sessionId: ID }],
    ['unknown_session', -32002, `Resource not found: ${ID}`],
    ['unknown_session', -32603, 'Internal error', { details: `No conversation found with session ID: ${ID}` }],
    ['unknown_session', -32603, 'Internal error', { details: `thread not found: ${ID}` }],
    ['unknown_session', -32001, `Session not found: ${ID}`],
    ['auth_required', -32000, 'Authentication required'],
    ['auth_required', -32000, 'Server error'],
    ['auth_required', -32603, 'Internal error', { details: 'Please run /login' }],
    ['unsupported', -32601, 'Method not found'],
    ['indeterminate', -32002, 'Resource not found'],
    ['indeterminate', -32002, 'Resource not found', { uri: 'file:///home/u/photo.png' }],
    ['indeterminate', -32002, 'Resource not found: file:///home/u/notes.md', { sessionId: ID, uri: 'file:///home/u/notes.md' }],
    ['indeterminate', -32002, 'Resource not found', { sessionId: ID, details: 'model not found' }],
    ['indeterminate', -32603, 'Internal error', { details: 'model "gpt-9" not found' }],
    ['indeterminate', -32603, 'tool not found: grep'],
    ['indeterminate', -32603, 'File not found: src/session.ts'],
    ['indeterminate', -32603, 'Internal error: OpenCode service failure', { service: 'session' }],
    ['indeterminate', -32603, 'Internal error', { details: 'NotFoundError' }],
    ['indeterminate', -32602, 'Invalid session id'],
    ['indeterminate', -32603, 'Internal error', { details: '429 rate limit reached for this session' }],
  ] as Row[])('%s: %d %s %j', (outcome, code, message, data) => {
    expect(prompt(code, message, data)).toBe(outcome);
  });

  it('a known shape counts where the list proves it; absence alone says nothing, since agents list late', () => {
    expect(prompt(-32603, 'Internal error: OpenCode service failure', { service: 'session' }, 'absent')).toBe('unknown_session');
    expect(prompt(-32603, 'Internal error: OpenCode service failure', { service: 'session' }, 'present')).toBe('indeterminate');
    expect(prompt(-32603, 'Internal error', {}, 'absent')).toBe('indeterminate');
  });
});

describe('the context', () => {
  it('session/new never says a session is unknown', () => {
    for (const words of UNKNOWN_WORDS) {
      const method = 'session/new';
      const { outcome } = classifyResumeFailure({ code: -32002, message: words }, { method, agentSessionId: ID, listed: 'absent' });
      expect(outcome).not.toBe('unknown_session');
    }
  });

  it.each([UUID, 'a', '1', '', 'session', 'my session #7 (old)', 'urn:acp:session:77', "it's", '/tmp/s/1.json', '会话-42'])(
    'reads any id an agent may give out: %s',
    (id) => {
      expect(at(-32602, `Session "${id}" not found`, undefined, undefined, id).outcome).toBe('unknown_session');
      expect(at(-32603, `Session not found: ${id}`, undefined, undefined, id).outcome).toBe('unknown_session');
      expect(at(-32603, 'Internal error', `Unknown sessionId: ${id}`, undefined, id).outcome).toBe('unknown_session');
      expect(at(-32603, `model for ${id} not found`, undefined, undefined, id).outcome).toBe('indeterminate');
      expect(at(-32603, 'Internal error', undefined, undefined, id).outcome).toBe('indeterminate');
    },
  );

  it('quotes what it saw, briefly', () => {
    const long = at(-32603, `Session not found ${'x'.repeat(10_000)}`, undefined);
    expect(long.outcome).toBe('unknown_session');
    expect(long.evidence.length).toBeLessThan(260);
    expect(at(-32602, 'Session "X" not found', undefined).evidence).toBe('says-absent: message says “Session "X" not found”');
  });
});

describe('total', () => {
  it('never throws and always answers, whatever the data', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.string(),
        fc.anything({ withNullPrototype: true, withBigInt: true }),
        fc.string(),
        (code, message, data, id) => {
          const { outcome, evidence } = at(code, message, data, undefined, id);
          expect(['unknown_session', 'unsupported', 'auth_required', 'session_busy', 'indeterminate']).toContain(outcome);
          expect(evidence).toMatch(/^[a-z-]+: ./s);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('survives an id of any length', () => {
    const id = 'x'.repeat(100_000);
    expect(at(-32002, `Session not found: ${id}`, { sessionId: id }, undefined, id).outcome).toBe('unknown_session');
    expect(at(-32603, 'Internal error', { id }, undefined, id).outcome).toBe('indeterminate');
  });

  it('survives depth, breadth and bulk', () => {
    let deep: unknown = 'Session not found';
    for (let i = 0; i < 50_000; i++) deep = { cause: deep };
    expect(at(-32603, 'Internal error', deep).outcome).toBe('indeterminate');
    expect(
      at(
        -32603,
        'Internal error',
        Array.from({ length: 1_000 }, () => 'session is '.repeat(100)),
      ).outcome,
    ).toBe('indeterminate');
    expect(at(-32603, 'session is the '.repeat(20_000), undefined).outcome).toBe('indeterminate');
    expect(at(-32603, `${'"'.repeat(50_000)}${'('.repeat(50_000)}`, undefined).outcome).toBe('indeterminate');
    expect(at(-32603, undefined as unknown as string, undefined).outcome).toBe('indeterminate');
  });
});
