/** Words the answers of the scripted agents. Pure. */
import { distinct, recall, spoken } from './facts.ts';
import type { KnownFact, Source } from './session.ts';

const SOURCES: Readonly<Record<Source, string>> = {
  history: 'from my own memory of this session',
  conversation: 'from earlier in this conversation',
  record: 'from the record in front of a prompt',
};

export const HELP = [
  'I am a scripted agent without a model. I know only what is in my context.',
  'Tell me a fact (your name, a door code, what your dog is called) and ask for it back, or ask what I remember.',
  'I also take: list files · write file NAME: TEXT · read file NAME · delete NAME · ask permission ·',
  'count to N · stream N chunks · switch to brief · settings · title TEXT · say TEXT · think about X · crash · hang.',
].join('\n');

export function answer(known: readonly KnownFact[], key: string, subject: string, brief: boolean): string {
  const fact = recall(known, key);
  if (!fact) return brief ? 'Unknown.' : `I don't know ${subject}. Nothing in my context says it.`;
  if (brief) return fact.value;
  return `${capital(fact.label || subject)}: ${fact.value} (${SOURCES[fact.source]}).`;
}

/** The subject of a question as its answer names it. */
export const subjectOf = (what: string): string =>
  what
    .trim()
    .replace(/^(my|our)\b/i, 'your')
    .replace(/\s+(called|named|again|please)$/i, '');

export function everything(known: readonly KnownFact[]): string {
  const facts = distinct(known);
  if (facts.length === 0) return 'Nothing. There is no fact in my context.';
  const lines = facts.map((fact) => `- ${spoken(fact)} (${SOURCES[fact.source]})`);
  return `${facts.length === 1 ? 'One thing' : `${facts.length} things`}:\n${lines.join('\n')}`;
}

export function noted(facts: readonly { readonly label: string; readonly value: string }[], brief: boolean): string {
  if (brief) return 'Noted.';
  return `Noted. ${facts.map((fact) => (fact.label ? `${capital(fact.label)}: ${fact.value}.` : `“${fact.value}”.`)).join(' ')}`;
}

/** Cuts after spaces, as a stream may. */
export function pieces(text: string, words = 3): string[] {
  const parts = text.split(/(?<=\s)(?=\S)/u).filter((part) => part !== '');
  const grouped: string[] = [];
  for (let i = 0; i < parts.length; i += words) grouped.push(parts.slice(i, i + words).join(''));
  return grouped.length > 0 ? grouped : [text];
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
