/** Reading values that somebody else made: whatever they are, nothing here throws. */

export type Fields = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const objectOf = (value: unknown): Fields | null => (isObject(value) ? value : null);

/** Of a list its entries; nothing in what has no fields. */
export const fieldsOf = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});

export const stringOf = (value: unknown): string => (typeof value === 'string' ? value : '');
