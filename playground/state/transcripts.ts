/** The transcript and the preamble, as the engine renders them. */
import type { Host } from '../../src/engine/index.ts';

export interface TranscriptText {
  readonly transcript: string;
  /** The preamble's content blocks as JSON; empty when there is nothing to tell. */
  readonly preamble: string;
}

export async function readTranscript(reader: Host, sessionId: string): Promise<TranscriptText> {
  const transcript = await reader.transcript(sessionId);
  const blocks = await reader.previewPreamble(sessionId);
  return { transcript, preamble: blocks.length === 0 ? '' : JSON.stringify(blocks, null, 2) };
}
