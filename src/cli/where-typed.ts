import { statSync } from 'node:fs';
import path from 'node:path';

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
