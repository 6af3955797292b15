/** Whether the text is longer than so many bytes of UTF-8. Only what is near the limit is encoded to find out. */
export function exceeds(bytes: number, text: string): boolean {
  if (text.length > bytes) return true;
  return text.length * 3 > bytes && new TextEncoder().encode(text).length > bytes;
}
