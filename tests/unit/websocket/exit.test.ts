import { describe, expect, it, vi } from 'vitest';
import { exitFromClose, readDiagnostics } from '../../../src/adapters/websocket/exit.ts';
import { httpUrl, listBridgeAgents } from '../../../src/adapters/websocket/bridge-client.ts';
import { closeFrame } from '../../../src/bridge/close.ts';
import { type AgentExit, asExit, isCleanExit } from '../../../src/engine/ports.ts';

describe('I8: exitFromClose', () => {
  const told: AgentExit[] = [
    { kind: 'ended', code: 0, signal: null },
    { kind: 'quit', code: 0, signal: null },
    { kind: 'failed', code: 3, signal: null },
    { kind: 'signalled', code: null, signal: 'SIGSEGV' },
  ];
  it.each(told)('what the bridge says in a close frame comes back: %o', (exit) => {
    expect(exitFromClose(closeFrame({ kind: 'exit', exit }, 'c'), null)).toEqual(exit);
  });

  it('prefers the report, which has more to tell', () => {
    const exit: AgentExit = { kind: 'killed', code: null, signal: 'SIGKILL', stderr: 'x' };
    expect(exitFromClose(closeFrame({ kind: 'exit', exit }, 'c'), { exit })).toBe(exit);
  });

  it('a socket that dropped is disconnected, however the bridge then ended the tree', () => {
    const exit = exitFromClose({ code: 1006, reason: '' }, { exit: { kind: 'ended', code: 0, signal: null, stderr: 'bye' } });
    expect(exit).toMatchObject({ kind: 'disconnected', stderr: 'bye' });
    expect(isCleanExit(exit)).toBe(false);
  });

  it.each([1001, 1002, 1005, 1006, 1009, 1011, 4000, 4004, 4005, 4999])('%i is never clean', (code) => {
    expect(exitFromClose({ code, reason: 'not json' }, null).kind).toBe('disconnected');
  });

  it('names the limit', () => {
    expect(exitFromClose(closeFrame({ kind: 'limit', limit: 'stalledMs' }, 'c'), null)).toMatchObject({
      message: expect.stringContaining('stalledMs') as string,
    });
    // A client that took nothing any more got no close frame.
    expect(exitFromClose({ code: 1006, reason: '' }, { exit: null, limit: 'stalledMs' })).toMatchObject({
      kind: 'disconnected',
      message: expect.stringContaining('stalledMs') as string,
    });
  });

  it('believes nothing that is no exit', () => {
    for (const value of [null, undefined, 1, 'ended', [], {}, { kind: 1 }, { kind: 'fine' }, { kind: 'toString' }])
      expect(asExit(value)).toBeNull();
  });

  it.each([
    { kind: 'ended' },
    { kind: 'ended', code: 3, signal: null },
    { kind: 'quit', code: 0, signal: 'SIGKILL' },
    { kind: 'failed', code: '3', signal: null },
    { kind: 'failed', code: null, signal: null },
    { kind: 'signalled', code: null, signal: 9 },
    { kind: 'killed', code: {}, signal: 'SIGKILL' },
    { kind: 'killed', code: null, signal: 'SIGKILL', why: {} },
    { kind: 'not_started', code: null, signal: null },
    { kind: 'disconnected', code: null, signal: null, message: ['gone'] },
    { kind: 'ended', code: 0, signal: null, stderr: 1 },
  ])('or that has a part of another type: %o', (value) => {
    expect(asExit(value)).toBeNull();
  });

  it.each<AgentExit>([
    { kind: 'ended', code: 0, signal: null },
    { kind: 'quit', code: 0, signal: null, stderr: 'bye' },
    { kind: 'failed', code: 3, signal: null },
    { kind: 'signalled', code: null, signal: 'SIGSEGV' },
    { kind: 'killed', code: null, signal: 'SIGKILL', why: 'it was over a limit' },
    { kind: 'killed', code: 137, signal: 'SIGKILL' },
    { kind: 'not_started', code: null, signal: null, message: 'no such file' },
    { kind: 'disconnected', code: null, signal: null, message: 'gone' },
  ])('and every exit: %o', (exit) => {
    expect(asExit(exit)).toBe(exit);
  });

  it('of the other fields of a report, and of a close frame, what is of their type', () => {
    expect(readDiagnostics(null)).toEqual({ exit: null, stderr: '' });
    expect(readDiagnostics({ exit: { kind: 'quit' }, limit: 3, stderr: {} })).toEqual({ exit: null, stderr: '' });
    expect(exitFromClose({ code: 4001, reason: '{"code":"x"}' }, null)).toEqual({ kind: 'failed', code: -1, signal: null });
    expect(exitFromClose({ code: 4002, reason: '{"signal":9}' }, null)).toMatchObject({ signal: 'an unknown signal' });
  });
});

describe('httpUrl', () => {
  it.each([
    ['ws://127.0.0.1:1', 'http://127.0.0.1:1'],
    ['wss://x.example/', 'https://x.example'],
    ['http://127.0.0.1:1', 'http://127.0.0.1:1'],
  ])('%s', (url, expected) => expect(httpUrl(url)).toBe(expected));

  it.each(['127.0.0.1:4711', '', '/agents', 'javascript:alert(1)', 'ws://', 'ws:///x'])(
    'no token goes to “%s”, which a page would look for on its own site',
    async (url) => {
      const fetch = vi.fn();
      await expect(listBridgeAgents({ url, token: 'secret', fetch })).rejects.toMatchObject({
        code: 'invalid_argument',
        message: expect.stringContaining('ws://HOST:PORT') as string,
      });
      expect(fetch).not.toHaveBeenCalled();
    },
  );
});
