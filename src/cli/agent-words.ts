/** The words of an agent's command: as they were typed, and as a shell would split them. */
import { statSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from './parse.ts';

/**
 * Splits a command as a POSIX shell splits words: blanks separate, quotes and backslashes hold together.
 * Nothing is expanded and no shell runs; operators are ordinary characters.
 */
export function shellWords(text: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote: '"' | "'" | null = null;
  for (let i = 0; i < text.length; i += 1) {
    const char = text.charAt(i);
    if (quote === "'") {
      if (char === "'") quote = null;
      else word = (word ?? '') + char;
    } else if (char === '\\') {
      i += 1;
      if (i >= text.length) throw new UsageError(`The command ends in a lone backslash: ${text}`);
      // Within double quotes a backslash escapes only what would end or change them.
      const next = text.charAt(i);
      word = (word ?? '') + (quote === '"' && !/["\\$`]/.test(next) ? `\\${next}` : next);
    } else if (quote === '"') {
      if (char === '"') quote = null;
      else word = (word ?? '') + char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (/\s/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? '') + char;
    }
  }
  if (quote) throw new UsageError(`A quote (${quote}) is not closed in the command: ${text}`);
  if (word !== null) words.push(word);
  return words;
}

/**
 * A command as it was meant where it was typed: an agent may run in another directory, where relative
 * paths of files would name nothing. Words that name no file from here are left as they are.
 */
export function whereTyped(words: readonly string[], cwd = process.cwd()): string[] {
  return words.map((word, index) => {
    if (index === 0) return /[/\\]/.test(word) ? path.resolve(cwd, word) : word;
    const file = path.resolve(cwd, word);
    const isFile = /[/.]/.test(word) && !path.isAbsolute(word) && statSync(file, { throwIfNoEntry: false })?.isFile() === true;
    return isFile ? file : word;
  });
}
