/** Reads the parameters of a client's call. */
import { RehydrateError } from '../engine/index.ts';
import { objectOf } from '../engine/objects.ts';
import type { Params } from './connection.ts';

export const object = (value: unknown): Params => objectOf(value) ?? {};

export const rehydrateMeta = (params: Params): Params => object(object(params['_meta'])['rehydrate']);

export function text(params: Params, name: string): string {
  const value = params[name];
  if (typeof value === 'string') return value;
  throw new RehydrateError('invalid_argument', `${name} must be a string; it is ${JSON.stringify(value) ?? 'missing'}.`, { name });
}

/** Those of the named parameters that are present. The host checks their values; the type `never` lets them pass to it. */
export function given<Name extends string>(params: Params, ...names: readonly Name[]): { readonly [Each in Name]?: never } {
  const there = names.filter((name) => params[name] !== undefined && params[name] !== null);
  return Object.fromEntries(there.map((name) => [name, params[name]])) as { readonly [Each in Name]?: never };
}

/** What a call has for the agent beyond ACP's own parameters: extensions, and `_meta` without our part. */
export function besides(params: Params, known: readonly string[]): { params?: Params } {
  const { rehydrate: _ours, ...meta } = object(params['_meta']);
  const others = Object.entries(params).filter(([name]) => name !== '_meta' && !known.includes(name));
  const all = [...others, ...(Object.keys(meta).length > 0 ? [['_meta', meta] as const] : [])];
  return all.length > 0 ? { params: Object.fromEntries(all) } : {};
}
