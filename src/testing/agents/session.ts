/** One live session of a scripted agent: its entries, its settings, and what it can know from them. */
import type { ContentBlock, McpServer, SessionConfigOption, SessionModeState } from '@agentclientprotocol/sdk';
import { type Fact, factsIn } from './facts.ts';
import type { StoredSession } from './store.ts';

export const MODES = [
  { id: 'chatty', name: 'Chatty', description: 'Answers in sentences, and says where it knows a thing from.' },
  { id: 'brief', name: 'Brief', description: 'Answers with the bare value.' },
] as const;

export const MODELS = [
  { value: 'memo-small', name: 'Memo Small' },
  { value: 'memo-large', name: 'Memo Large' },
] as const;

export type LiveSession = ReturnType<typeof startSession>;

export function startSession({ entries, ...head }: StoredSession, mcpServers: readonly McpServer[]) {
  return {
    ...head,
    entries: [...entries],
    restored: entries.length,
    // As in many real agents these are lost with the process, and the host sets them again.
    modeId: MODES[0].id as string,
    model: MODELS[0].value as string,
    /** Set while a prompt runs. */
    turn: null as AbortController | null,
    mcpServers,
    files: new Map<string, string>(),
    messageId: '',
  };
}

export function modeState(session: LiveSession): SessionModeState {
  return { currentModeId: session.modeId, availableModes: MODES.map((mode) => ({ ...mode })) };
}

export function configOptions(session: LiveSession): SessionConfigOption[] {
  return [
    {
      type: 'select',
      id: 'model',
      name: 'Model',
      category: 'model',
      description: 'There is no model behind this agent; the setting only shows whether it survives.',
      currentValue: session.model,
      options: MODELS.map((model) => ({ ...model })),
    },
  ];
}

export type Source = 'history' | 'conversation' | 'record';

export interface KnownFact extends Fact {
  readonly source: Source;
}

/** All facts in the session's context, oldest first. Those attached to a prompt, or in front of it, count as a record. */
export function knownFacts(session: LiveSession): KnownFact[] {
  return session.entries.flatMap((entry, index) => {
    if (entry.type !== 'user') return [];
    const mine: Source = index < session.restored ? 'history' : 'conversation';
    const last = lastTextIndex(entry.blocks);
    return entry.blocks.flatMap((block, position) => {
      const source = position === last ? mine : 'record';
      const texts =
        position === last ? [textOf(block)] : [textOf(block), ...filesNamed(block).map((file) => session.files.get(file) ?? '')];
      return texts.flatMap((text) => factsIn(text, position === last ? 'words' : 'record').map((fact) => ({ ...fact, source })));
    });
  });
}

/** The files named in front of the user's own words, which were not read yet. */
export function filesToRead(session: LiveSession): string[] {
  const named = session.entries.flatMap((entry) =>
    entry.type === 'user' ? entry.blocks.slice(0, Math.max(0, lastTextIndex(entry.blocks))).flatMap(filesNamed) : [],
  );
  return [...new Set(named)].filter((file) => !session.files.has(file));
}

function filesNamed(block: ContentBlock): string[] {
  return block.type === 'text' ? (block.text.match(/\/\S+\.md\b/g) ?? []) : [];
}

/** The user's own words: a prompt's last text block. What comes before it is context. */
export function wordsOf(blocks: readonly ContentBlock[]): string {
  const block = blocks[lastTextIndex(blocks)];
  return block ? textOf(block) : '';
}

function textOf(block: ContentBlock): string {
  switch (block.type) {
    case 'text':
      return block.text;
    case 'resource':
      return 'text' in block.resource ? block.resource.text : '';
    default:
      return '';
  }
}

function lastTextIndex(blocks: readonly ContentBlock[]): number {
  return blocks.findLastIndex((block) => block.type === 'text');
}
