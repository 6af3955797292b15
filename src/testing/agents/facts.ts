/**
 * What the scripted agents remember: facts of the form “KEY is VALUE” in any text of their context. They have no other memory, so an answer
 * proves that the text has survived.
 */

export interface Fact {
  /** What questions are matched by, in lower case and without articles: `name`, `door code`. */
  readonly key: string;
  /** How the agent says it: `your name`, `the door code`. */
  readonly label: string;
  readonly value: string;
}

interface Clause {
  readonly text: string;
  readonly question: boolean;
}

const TOLD = /\b(my|our|the) ([\p{L}][\p{L}\p{N} '’-]{0,60}?) (?:is|are|was) (?:called |named )?(.{1,300})$/iu;
const NAMED = /\b(?:[iI] am|[iI]'m|[cC]all me) (?:called |named )?(\p{Lu}.{0,100})$/u;
const NOTE = /\bremember(?: that)?:? (?!me\b|my\b.*\?|(?:it|this|that|these|them)(?: please| for me| too)*$)(.{2,300})$/iu;

/**
 * The facts in a text, in order. Questions have none. In a `record` a sentence about “the …” counts only with “remember”, because records also
 * say things about themselves.
 */
export function factsIn(text: string, where: 'words' | 'record' = 'words'): Fact[] {
  const facts: Fact[] = [];
  for (const clause of clauses(text)) {
    if (clause.question) continue;
    const fact = factOf(clause.text, where);
    if (fact) facts.push(fact);
  }
  return facts;
}

function factOf(clause: string, where: 'words' | 'record'): Fact | null {
  const told = TOLD.exec(clause);
  if (told && (where === 'words' || told[1]?.toLowerCase() !== 'the' || /\bremember\b/i.test(clause))) {
    const [, owner = '', what = '', value = ''] = told;
    const clean = tidy(value);
    return clean ? { key: keyOf(what), label: `${ownerOf(owner)} ${what.trim()}`, value: clean } : null;
  }
  const named = NAMED.exec(clause);
  if (named?.[1]) return { key: 'name', label: 'your name', value: tidy(named[1]) };
  const note = NOTE.exec(clause);
  // A note that is not of the form “KEY is VALUE” is kept word for word, as its own key.
  if (note?.[1]) return { key: tidy(note[1]).toLowerCase(), label: '', value: tidy(note[1]) };
  return null;
}

/** A key without case, articles, possessives and “called”, by which questions and facts are compared. */
export function keyOf(what: string): string {
  return what
    .toLowerCase()
    .replace(/\b(my|our|your|the|a|an|called|named|again|please)\b/g, ' ')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

export function recall<F extends Fact>(facts: readonly F[], key: string): F | null {
  return facts.findLast((fact) => fact.key === key) ?? null;
}

/** Each key once, with its latest value, in the order in which they were first told. */
export function distinct<F extends Fact>(facts: readonly F[]): F[] {
  return [...new Map(facts.map((fact) => [fact.key, fact])).values()];
}

/** A fact in the agent's words, which must not read like a fact told by the user: otherwise records would feed on themselves. */
export function spoken(fact: Fact): string {
  return fact.label ? `${fact.label}: ${fact.value}` : fact.value;
}

function clauses(text: string): Clause[] {
  const found: Clause[] = [];
  // Split, not matched, because a pattern for any number of characters needs a stack as deep.
  for (const part of text.split(/(?<=[\n;!?]|[.,](?!\S))/u)) {
    const question = part.endsWith('?');
    for (const piece of part.replace(/[.;!?,\n]$/, '').split(/ and (?=(?:my|our|the|remember|call me|i am|i'm)\b)/i)) {
      if (piece.trim()) found.push({ text: piece.trim(), question });
    }
  }
  return found;
}

function ownerOf(word: string): string {
  const owner = word.toLowerCase();
  return owner === 'the' ? 'the' : 'your';
}

function tidy(value: string): string {
  return value.replace(/[\s"'”’*_>)\]}`]+$/u, '').replace(/^[\s"'“‘*_`]+/u, '');
}
