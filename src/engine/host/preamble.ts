/** The record for an agent to read: the transcript, and the preamble that carries it. */
import { renderTranscript } from '../transcript/render.ts';
import { createRedactor } from '../transcript/redact.ts';
import type { Store } from '../storage/store.ts';
import type { ContentBlock, PreambleMode } from '../types.ts';
import { invalid, type Config } from './options.ts';

export interface MadePreamble {
  readonly mode: PreambleMode;
  readonly blocks: readonly ContentBlock[];
  /** All its text, so that a replay of it is recognised. */
  readonly text: string;
  readonly bytes: number;
  readonly events: number;
  readonly truncated: boolean;
}

type Secret = { readonly name: string; readonly value: string };

export function renderRecord(store: Store, sessionId: string, config: Config, secrets: readonly Secret[], budget = config.preamble.budget ?? config.limits.transcriptBytes) {
  if (!Number.isInteger(budget) || budget < 1 || budget > config.limits.transcriptMaxBytes) {
    throw invalid(`The budget must be a whole number of bytes from 1 to transcriptMaxBytes (${config.limits.transcriptMaxBytes}); it is ${String(budget)}.`);
  }
  void createRedactor(secrets);
  return renderTranscript(store.eventsBackwards(sessionId), { budget });
}

export async function renderPreamble(store: Store, sessionId: string, config: Config, secrets: readonly Secret[], embeddedContext: boolean, options: { mode?: PreambleMode | undefined; budget?: number | undefined; preview: boolean }): Promise<MadePreamble> {
  const record = await renderRecord(store, sessionId, config, secrets, options.budget);
  const mode: PreambleMode = (options.mode ?? 'resource') === 'resource' && embeddedContext ? 'resource' : 'inline';
  const blocks: ContentBlock[] = mode === 'resource'
    ? [{ type: 'resource', resource: { uri: `rehydrate://transcript/${encodeURIComponent(sessionId)}`, mimeType: 'text/markdown', text: record.text } }]
    : [{ type: 'text', text: record.text }];
  return { mode, blocks, text: record.text, bytes: record.bytes, events: record.events, truncated: record.truncated };
}

export const makePreamble = (store: Store, sessionId: string, config: Config, secrets: readonly Secret[], embeddedContext: boolean): Promise<MadePreamble> =>
  renderPreamble(store, sessionId, config, secrets, embeddedContext, { mode: config.preamble.mode, budget: config.preamble.budget, preview: false });
