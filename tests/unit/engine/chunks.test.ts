/** I11: only chunks that differ in nothing but their text become one row. */
import { describe, expect, it } from 'vitest';
import { eventSize, extendRun, runToEvent, startRun } from '../../../src/engine/storage/chunks.ts';
import type { NewEvent } from '../../../src/engine/storage/statements.ts';

const chunk = (text: string, payload: object = {}, event: object = {}): NewEvent =>
  ({
    kind: 'update',
    turnId: 't',
    at: 1,
    origin: 'agent',
    payload: { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text }, ...payload },
    ...event,
  }) as NewEvent;
const annotated = (text: string, annotations: object) => chunk('', { content: { type: 'text', text, annotations } });

describe('I11: adjacent chunks', () => {
  it.each<[string, NewEvent, NewEvent, boolean]>([
    ['that are plain', chunk('a'), chunk('b'), true],
    ['of one message', chunk('a', { messageId: 'm' }), chunk('b', { messageId: 'm' }), true],
    ['of two messages', chunk('a', { messageId: 'm' }), chunk('b', { messageId: 'n' }), false],
    ['one with an id, one without', chunk('a', { messageId: 'm' }), chunk('b'), false],
    ['with an id that is null', chunk('a', { messageId: null }), chunk('b', { messageId: null }), true],
    ['of two turns', chunk('a'), chunk('b', {}, { turnId: 'u' }), false],
    ['of two origins', chunk('a'), chunk('b', {}, { origin: 'import' }), false],
    ['of two kinds', chunk('a'), chunk('b', { sessionUpdate: 'agent_thought_chunk' }), false],
    ['one with an unknown field', chunk('a'), chunk('b', { _demo: 1 }), false],
    ['both with the same unknown field', chunk('a', { _demo: 1 }), chunk('b', { _demo: 1 }), true],
    ['with other values in it', chunk('a', { _demo: 1 }), chunk('b', { _demo: 2 }), false],
    ['one with annotations', chunk('a'), annotated('b', { priority: 1 }), false],
    ['both with the same annotations', annotated('a', { priority: 1 }), annotated('b', { priority: 1 }), true],
    ['one with meta', chunk('a'), chunk('b', {}, { meta: { x: 1 } }), false],
    ['both with the same meta', chunk('a', {}, { meta: { x: 1 } }), chunk('b', {}, { meta: { x: 1 } }), true],
    ['of the host', chunk('a', {}, { origin: 'host' }), chunk('b', {}, { origin: 'host' }), false],
  ])('%s', (_, first, second, joined) => {
    const run = startRun(first);
    expect(run !== null && extendRun(run, second)).toBe(joined);
    if (run && joined) expect((runToEvent(run).payload as { content: { text: string } }).content.text).toBe('ab');
  });
});

describe('I10: the size of an event', () => {
  it.each<[string, NewEvent]>([
    ['a chunk', chunk('日本語、été, 😀'.repeat(100))],
    ['a chunk with more than text', annotated('日本語'.repeat(100), { priority: 1 })],
    ['a tool call', chunk('', { sessionUpdate: 'tool_call', toolCallId: 't', title: 'é'.repeat(500), content: [] })],
  ])('counts bytes, not characters: %s', (_, event) => {
    const bytes = Buffer.byteLength(JSON.stringify(event.payload));
    expect(Math.abs(eventSize(event) - bytes)).toBeLessThanOrEqual(128);
  });
});
