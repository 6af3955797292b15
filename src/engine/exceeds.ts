import { utf8Length } from './transcript/text.ts';

/** Whether the text is longer than so many bytes of UTF-8. Only what is near the limit is measured to find out. */
export function exceeds(bytes: number, text: string): boolean {
  if (text.length > bytes) return true;
  return text.length * 3 > bytes && utf8Length(text) > bytes;
}
