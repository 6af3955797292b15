/** A random name. `crypto.randomUUID` is only there on https and localhost; a page may be served otherwise. */
export function newName(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
