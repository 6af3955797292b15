/** Reads values that somebody else made. Nothing here throws, whatever they are. */

export type Fields = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const objectOf = (value: unknown): Fields | null => (isObject(value) ? value : null);

/** The fields of an object, or the entries of a list; of anything else none. */
export const fieldsOf = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});

export const stringOf = (value: unknown): string => (typeof value === 'string' ? value : '');
