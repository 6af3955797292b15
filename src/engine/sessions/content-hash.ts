/** The hash by which a prompt's content is told from another's under the same idempotency key. */
import type { ContentBlock } from '../types.ts';

export async function hashOf(content: readonly ContentBlock[]): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(JSON.stringify(content)));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
