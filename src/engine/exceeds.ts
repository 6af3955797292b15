import { utf8Length } from './transcript/text.ts';

/** In bytes of UTF-8. Only what is near the limit is measured. */
export function exceeds(bytes: number, text: string): boolean {
  if (text.length > bytes) return true;
  return text.length * 3 > bytes && utf8Length(text) > bytes;
}
