/** Findings in words. */
import type { RpcError } from '../../engine/protocol/peer.ts';
import type { Answer } from './agent.ts';

const MAX_QUOTE = 200;

export function quote(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return `“${line.length <= MAX_QUOTE ? line : `${line.slice(0, MAX_QUOTE - 1)}…`}”`;
}

export function errorWords(error: RpcError): string {
  const data = error.data === undefined ? '' : `, data ${quote(JSON.stringify(error.data) ?? 'undefined')}`;
  return `error ${String(error.code).replace('-', '−')} ${quote(error.message)}${data}`;
}

/** What an agent did instead of a good answer: “answered session/load with error …”. */
export function failureWords(method: string, answer: Exclude<Answer, { kind: 'answered' }>): string {
  switch (answer.kind) {
    case 'refused':
      return `answered ${method} with ${errorWords(answer.error)}`;
    case 'hung':
      return `did not answer ${method} within ${seconds(answer.ms)}`;
    case 'ended':
      return `${answer.how} before it answered ${method}`;
  }
}

export const seconds = (ms: number): string => (ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`);

export const count = (n: number, thing: string): string => `${n} ${thing}${n === 1 ? '' : 's'}`;
