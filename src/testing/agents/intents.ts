/** What a prompt asks of a scripted agent, read from its words. */
import { factsIn, keyOf } from './facts.ts';

/** The first pattern that matches decides. Its groups have what the prompt is about. */
const PATTERNS = [
  ['help', /^\/?help\b/i],
  ['crash', /^\/?crash\b/i],
  ['hang', /^\/?hang\b/i],
  ['count', /^count (?:up )?to (\d+)/i],
  ['stream', /^stream (\d+) chunks?/i],
  ['list-files', /^list (?:the |my )?files/i],
  ['write-file', /^write (?:the )?file (\S+?)\s*: ?([\s\S]*)$/i],
  ['read-file', /^read (?:the )?file (\S+)/i],
  ['delete-file', /^delete (?:the )?(?:file )?(\S+)/i],
  ['ask-permission', /^ask (?:for )?(?:a )?permission/i],
  ['settings', /^(?:show |what(?: are| is)? )?(?:your |the )?(?:settings|mode|config(?:uration)?)(?: are you in)?\s*\??$/i],
  ['switch-mode', /^switch to (?:the )?(?:mode )?(\w+)(?: mode)?/i],
  ['rename', /^(?:call this session|title:?|rename (?:this )?(?:session )?to) (.+)$/i],
  ['say-split', /^say split:? ([\s\S]+)$/i],
  ['say', /^say:? ([\s\S]+)$/i],
  ['env', /^(?:print |show )?env (\w+)/i],
  ['mcp', /^(?:print |show |list )?mcp\b/i],
  ['think', /^think (?:about )?(.+)$/i],
  ['recall', /what (?:do|can|did) you (?:still )?(?:remember|know|recall)|^\/?facts\b/i],
  ['ask', /\b(?:what|who)(?:'s|’s| is| was| are) ((?:my|our|the) [^?.!\n]+)/i],
  ['ask', /\bdo you (?:still )?(?:remember|know) ((?:my|our|the) [^?.!\n]+)/i],
  ['recall', /\bwhat did i (?:tell|say)/i],
] as const;

export interface Intent {
  readonly do: (typeof PATTERNS)[number][0] | 'tell' | 'chat';
  readonly about: readonly string[];
}

/** Reads a prompt's own words, without its attachments. */
export function intentOf(text: string): Intent {
  const words = text.trim();
  for (const [is, pattern] of PATTERNS) {
    const [found, ...about] = pattern.exec(words) ?? [];
    if (found !== undefined && !(is === 'ask' && keyOf(about[0]!) === '')) return { do: is, about };
  }
  return { do: factsIn(words).length > 0 ? 'tell' : 'chat', about: [words] };
}

const MAX_STREAM = 1_000_000;

export const countIn = (digits: string): number => Math.min(Number(digits), MAX_STREAM);
