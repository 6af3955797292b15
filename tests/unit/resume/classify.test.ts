import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classifyResumeFailure, type ResumeFailure } from '../../../src/engine/resume/classify.ts';

const ID = 'ses_2f9c1e7ab4d0';
const UUID = '0199f3c2-7a51-7c1e-9d4b-3c2b1a0f9e8d';

type Outcome = ResumeFailure['outcome'];
type Row = [outcome: Outcome, code: number, message: string, data?: unknown];

/** What agents were measured or read to answer. */
const REAL: Row[] = [
  ['unknown_session', -32603, 'Internal error: OpenCode service failure', { service: 'session' }],
  ['unknown_session', -32603, 'Internal error', { details: 'NotFoundError' }],
  ['unknown_session', -32002, 'Resource not found', { sessionId: ID }],
  ['unknown_session', -32002, `Resource not found: ${ID}`, { uri: ID }],
  ['unknown_session', -32002, 'Resource not found'],
  [
    'unknown_session',
    -32603,
    'Internal error',
    { details: '--resume requires a valid session ID when used with --print. Provided value is not a UUID' },
  ],
  ['unknown_session', -32602, 'Invalid params', `Unknown sessionId: ${ID}`],
  ['unknown_session', -32002, 'Resource not found', `Session not found: ${ID}`],
  ['unknown_session', -32602, `Session "${ID}" not found`],
  ['unknown_session', -32603, 'Internal error', { details: `No conversation found with session ID: ${ID}` }],
  ['unknown_session', -32603, 'Internal error', `no rollout found for conversation id ${ID}`],
  ['unknown_session', -32603, 'Internal error', { details: `Session not found: ${ID}` }],
  ['session_busy', -32603, 'Session is already open in another process'],
  ['auth_required', -32000, 'Authentication required', { authMethods: [] }],
  ['auth_required', -32000, 'Server error'],
  ['unsupported', -32601, '"Method not found": session/resume', { method: 'session/resume' }],
  ['unsupported', -32601, 'Method not found'],
];

/** The same in other words, wherever an agent may put them. */
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
  `ENOENT: no such file or directory, open '/home/u/.agent/sessions/${ID}.json'`,
  `session record not found for ${ID}`,
  `No record of session ${ID}`,
  `no transcript found for session ${ID}`,
  `No checkpoint found for thread ${ID}`,
  `I do not know session ${ID}`,
  `We don't have a session with this id`,
  `Session ${ID} is not known`,
  `Session ID not recognized`,
  `Unrecognised session`,
  `session ${ID} is not in the store`,
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
  `Unknown id: ${ID}`,
  `Invalid params: session not found`,
  `Nonexistent session`,
  `Session [${ID}] not found in database`,
  `session/load failed: session not found`,
  `{"error":{"code":"session_not_found","message":"gone"}}`,
  `Internal error: {"error":{"message":"Session not found"}}`,
  `Invalid session id: ${ID}`,
  `sessionId is not a valid session id`,
  `Malformed session identifier`,
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
  { code: 'NOT_FOUND', resource: 'session' },
  { error: 'not_found', entity: 'thread', id: ID },
  { code: 'NotFound', sessionId: ID },
  { sessionNotFound: true },
  { sessionId: ID, exists: false },
  'session_expired',
  ['Session not found', { sessionId: ID }],
];

/** Words in common, another matter: never a reason to leave a conversation behind. */
const OPAQUE: Row[] = [
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
  ['session_busy', -32603, `Thread ${ID} is already running elsewhere`],
  ['session_busy', -32603, 'Could not acquire the session lock'],
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
  ['unsupported', -32603, 'Method not found: session/load'],
  ['unsupported', -32603, 'session/load is not supported'],
  ['unsupported', -32603, 'Resuming sessions is not supported'],
  ['unsupported', -32603, 'This agent does not support loading sessions'],
  ['unsupported', -32603, 'Not implemented'],
  ['unsupported', -32602, 'Internal error', { code: 'METHOD_NOT_FOUND' }],
  ['indeterminate', -32603, 'This session version is not supported'],
  ['indeterminate', -32603, 'Images are not supported by the model'],
];

const at = (code: number, message: string, data: unknown, listed?: 'present' | 'absent' | 'unknown', agentSessionId = ID) =>
  classifyResumeFailure({ code, message, data }, { method: 'session/load', agentSessionId, listed });

describe('which failure moves on', () => {
  it.each([...REAL, ...OTHERS])('%s: %d %s %j', (outcome, code, message, data) => {
    expect(at(code, message, data)).toMatchObject({ outcome });
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

  it('the table is large enough to mean something', () => {
    expect(REAL.length + OTHERS.length + UNKNOWN_WORDS.length + UNKNOWN_DATA.length + OPAQUE.length).toBeGreaterThan(200);
  });
});

describe('what the list adds', () => {
  it.each(OPAQUE)('absence in a complete list makes any opaque error unknown_session: %s %d %s', (_, code, message, data) => {
    expect(at(code, message, data, 'absent').outcome).toBe('unknown_session');
  });

  it.each(OPAQUE)('a list that cannot tell changes nothing: %s %d %s', (_, code, message, data) => {
    expect(at(code, message, data, 'unknown').outcome).toBe('indeterminate');
  });

  it.each([...REAL, ...OTHERS].filter(([outcome]) => ['auth_required', 'session_busy', 'unsupported'].includes(outcome)))(
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

describe('the context', () => {
  it.each(['session/new', 'session/list', 'initialize'] as const)('%s never says a session is unknown', (method) => {
    for (const words of UNKNOWN_WORDS) {
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
