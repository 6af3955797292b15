/** What a prompt asks of a scripted agent, read from its words. Pure; a table of cases is in the tests. */
import { factsIn, keyOf } from './facts.ts';
import type { Fact } from './facts.ts';

export type Intent =
  | { readonly do: 'tell'; readonly facts: readonly Fact[] }
  | { readonly do: 'ask'; readonly key: string; readonly subject: string }
  | { readonly do: 'recall' }
  | { readonly do: 'list-files' }
  | { readonly do: 'write-file'; readonly name: string; readonly text: string }
  | { readonly do: 'read-file'; readonly name: string }
  | { readonly do: 'delete-file'; readonly name: string }
  | { readonly do: 'ask-permission' }
  | { readonly do: 'count'; readonly to: number }
  | { readonly do: 'stream'; readonly chunks: number }
  | { readonly do: 'settings' }
  | { readonly do: 'switch-mode'; readonly modeId: string }
  | { readonly do: 'rename'; readonly title: string }
  | { readonly do: 'say'; readonly text: string; readonly split: boolean }
  | { readonly do: 'env'; readonly name: string }
  | { readonly do: 'mcp' }
  | { readonly do: 'think'; readonly about: string }
  | { readonly do: 'crash' }
  | { readonly do: 'hang' }
  | { readonly do: 'help' }
  | { readonly do: 'chat'; readonly text: string };

/** The most chunks one prompt can ask for. */
export const MAX_STREAM = 1_000_000;

type Rule = readonly [RegExp, (match: RegExpExecArray) => Intent | null];

const RULES: readonly Rule[] = [
  [/^\/?help\b/i, () => ({ do: 'help' })],
  [/^\/?crash\b/i, () => ({ do: 'crash' })],
  [/^\/?hang\b/i, () => ({ do: 'hang' })],
  [/^count (?:up )?to (\d+)/i, (m) => ({ do: 'count', to: bounded(m[1]) })],
  [/^stream (\d+) chunks?/i, (m) => ({ do: 'stream', chunks: bounded(m[1]) })],
  [/^list (?:the |my )?files/i, () => ({ do: 'list-files' })],
  [/^write (?:the )?file (\S+?)\s*: ?([\s\S]*)$/i, (m) => ({ do: 'write-file', name: m[1] ?? '', text: m[2] ?? '' })],
  [/^read (?:the )?file (\S+)/i, (m) => ({ do: 'read-file', name: m[1] ?? '' })],
  [/^delete (?:the )?(?:file )?(\S+)/i, (m) => ({ do: 'delete-file', name: m[1] ?? '' })],
  [/^ask (?:for )?(?:a )?permission/i, () => ({ do: 'ask-permission' })],
  [/^(?:show |what(?: are| is)? )?(?:your |the )?(?:settings|mode|config(?:uration)?)(?: are you in)?\s*\??$/i, () => ({ do: 'settings' })],
  [/^switch to (?:the )?(?:mode )?(\w+)(?: mode)?/i, (m) => ({ do: 'switch-mode', modeId: (m[1] ?? '').toLowerCase() })],
  [/^(?:call this session|title:?|rename (?:this )?(?:session )?to) (.+)$/i, (m) => ({ do: 'rename', title: (m[1] ?? '').trim() })],
  [/^say split:? ([\s\S]+)$/i, (m) => ({ do: 'say', text: m[1] ?? '', split: true })],
  [/^say:? ([\s\S]+)$/i, (m) => ({ do: 'say', text: m[1] ?? '', split: false })],
  [/^(?:print |show )?env (\w+)/i, (m) => ({ do: 'env', name: m[1] ?? '' })],
  [/^(?:print |show |list )?mcp\b/i, () => ({ do: 'mcp' })],
  [/^think (?:about )?(.+)$/i, (m) => ({ do: 'think', about: m[1] ?? '' })],
  [/what (?:do|can|did) you (?:still )?(?:remember|know|recall)|^\/?facts\b/i, () => ({ do: 'recall' })],
  [/\b(?:what|who)(?:'s|’s| is| was| are) ((?:my|our|the) [^?.!\n]+)/i, asking],
  [/\bdo you (?:still )?(?:remember|know) ((?:my|our|the) [^?.!\n]+)/i, asking],
  [/\bwhat did i (?:tell|say)/i, () => ({ do: 'recall' })],
];

/** The intent of a prompt's own words (not of what was attached to it). */
export function intentOf(text: string): Intent {
  const words = text.trim();
  for (const [pattern, make] of RULES) {
    const match = pattern.exec(words);
    const intent = match && make(match);
    if (intent) return intent;
  }
  const facts = factsIn(words);
  if (facts.length > 0) return { do: 'tell', facts };
  return { do: 'chat', text: words };
}

function asking(match: RegExpExecArray): Intent | null {
  const what = match[1] ?? '';
  const key = keyOf(what);
  if (key === '') return null;
  const subject = what
    .trim()
    .replace(/^(my|our)\b/i, 'your')
    .replace(/\s+(called|named|again|please)$/i, '');
  return { do: 'ask', key, subject };
}

function bounded(digits: string | undefined): number {
  return Math.min(Number(digits ?? 0), MAX_STREAM);
}
