import { describe, expect, it } from 'vitest';
import { exitOf, type ExitFacts } from '../../../src/adapters/stdio/agent-process.ts';
import { isCleanExit } from '../../../src/engine/ports.ts';

const facts = (change: Partial<ExitFacts>): ExitFacts => ({ code: null, signal: null, asked: false, sent: [], ...change });

describe('I8: exitOf', () => {
  const rows: [string, Partial<ExitFacts>, object][] = [
    ['0, asked for', { code: 0, asked: true }, { kind: 'ended', code: 0, signal: null }],
    ['0, not asked for', { code: 0 }, { kind: 'quit', code: 0, signal: null }],
    ['not 0', { code: 3 }, { kind: 'failed', code: 3, signal: null }],
    ['not 0, asked for', { code: 3, asked: true }, { kind: 'failed', code: 3, signal: null }],
    ['a signal of its own', { signal: 'SIGSEGV' }, { kind: 'signalled', code: null, signal: 'SIGSEGV' }],
    ['a signal of its own while asked', { signal: 'SIGABRT', asked: true }, { kind: 'signalled', code: null, signal: 'SIGABRT' }],
    ['a crash on our SIGTERM', { signal: 'SIGSEGV', asked: true, sent: ['SIGTERM'] }, { kind: 'signalled', code: null, signal: 'SIGSEGV' }],
    ['our SIGTERM', { signal: 'SIGTERM', asked: true, sent: ['SIGTERM'] }, { kind: 'killed', code: null, signal: 'SIGTERM' }],
    ['somebody else’s SIGKILL', { signal: 'SIGKILL' }, { kind: 'signalled', code: null, signal: 'SIGKILL' }],
    ['our SIGKILL', { signal: 'SIGKILL', asked: true, sent: ['SIGTERM', 'SIGKILL'] }, { kind: 'killed', code: null, signal: 'SIGKILL' }],
    ['0 on our SIGTERM', { code: 0, asked: true, sent: ['SIGTERM'] }, { kind: 'killed', code: 0, signal: 'SIGTERM' }],
    ['not 0 on our SIGTERM', { code: 143, asked: true, sent: ['SIGTERM'] }, { kind: 'killed', code: 143, signal: 'SIGTERM' }],
  ];
  it.each(rows)('%s', (_name, change, expected) => {
    const exit = exitOf(facts(change), '');
    expect(exit).toEqual(expected);
    expect(isCleanExit(exit)).toBe(change.code === 0 && change.asked === true && change.sent === undefined);
  });

  it('quotes stderr where there is some', () => {
    expect(exitOf(facts({ code: 1 }), 'oops')).toEqual({ kind: 'failed', code: 1, signal: null, stderr: 'oops' });
  });
});
