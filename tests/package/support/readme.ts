/** The README's examples: taken from its text, and adapted only where a reader has to adapt them, too. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './run.ts';

/** The code block of this language under the heading. */
export function readmeBlock(heading: string, language: string): string {
  const text = readFileSync(path.join(ROOT, 'README.md'), 'utf8');
  const section = text.split(/^(?=##+ )/m).find((part) => part.startsWith(`## ${heading}\n`));
  const block = section && new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(section)?.[1];
  if (!block) throw new Error(`README.md has no ${language} example under “${heading}”.`);
  return block;
}

/** Replaces what has to be there exactly once. */
export function adapt(code: string, changes: readonly (readonly [from: string, to: string])[]): string {
  return changes.reduce((text, [from, to]) => {
    const parts = text.split(from);
    if (parts.length !== 2) throw new Error(`The example has ${parts.length - 1} times “${from}”, not once:\n${text}`);
    return parts.join(to);
  }, code);
}
