/** The hash by which a prompt's content is told from another's under the same idempotency key. */
import { sha256Hex } from '../sha256.ts';
import type { ContentBlock } from '../types.ts';

export const hashOf = (content: readonly ContentBlock[]): Promise<string> => sha256Hex(JSON.stringify(content));
