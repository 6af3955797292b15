/** Renders a session's record for an agent: as a transcript, and as the preamble in front of a successor's first prompt. */
import type { Store } from '../storage/store.ts';
import { buildPreamble, choosePreambleMode } from '../transcript/preamble.ts';
import type { Secret } from '../transcript/redact.ts';
import { renderTranscriptRecord, type TranscriptRecord } from '../transcript/render.ts';
import type { ContentBlock, PreambleMode, ResumeReport } from '../types.ts';
import type { Config } from './config.ts';

export interface MadePreamble {
  readonly blocks: readonly ContentBlock[];
  readonly report: NonNullable<ResumeReport['preamble']>;
  /** Why the mode is not the one that was asked for. */
  readonly instead: string | null;
}

export function renderRecord(
  store: Store,
  sessionId: string,
  config: Config,
  secrets: readonly Secret[],
  budget?: number,
): Promise<TranscriptRecord> {
  return renderTranscriptRecord(store.eventsBackwards(sessionId), {
    budget: budget ?? config.preamble.budget ?? config.limits.transcriptBytes,
    maxBudget: config.limits.transcriptMaxBytes,
    toolExcerptBytes: config.limits.toolExcerptBytes,
    secrets,
    redact: (text) => config.redact(text, sessionId),
  });
}

interface PreambleRequest {
  readonly mode?: PreambleMode | undefined;
  readonly budget?: number | undefined;
  /** Writes no file. */
  readonly preview?: true;
  readonly signal?: AbortSignal;
}

export async function renderPreamble(
  store: Store,
  sessionId: string,
  config: Config,
  secrets: readonly Secret[],
  embeddedContext: boolean,
  request: PreambleRequest,
): Promise<MadePreamble> {
  const { text, ...covered } = await renderRecord(store, sessionId, config, secrets, request.budget);
  const { mode, instead } = choosePreambleMode(request.mode ?? config.preamble.mode, embeddedContext);
  let path: string | undefined;
  if (mode === 'file') path = request.preview ? PREVIEW_PATH : await config.preambleFiles?.write(sessionId, text, request.signal);
  return { blocks: buildPreamble(text, mode, path), report: { mode, ...covered }, instead };
}

const PREVIEW_PATH = '/path/given/when/it/is/sent.md';
