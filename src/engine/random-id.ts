/** 128 random bits, hexadecimal. `crypto.randomUUID` is only there on https and localhost, and a page may be served otherwise. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
