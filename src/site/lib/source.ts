import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Builds and tests run from the root of the checkout. */
export const ROOT = process.cwd();

export function readSource(file: string): string {
  const full = path.join(ROOT, file);
  if (!existsSync(full)) throw new Error(`The docs name ${file}, which does not exist.`);
  return readFileSync(full, 'utf8');
}

/** The 1-based line of a symbol, or null when only the file was asked for; throws when either is gone. */
export function locate(file: string, symbol?: string): number | null {
  const text = readSource(file);
  if (symbol === undefined) return null;
  const line = declarationLine(text, symbol);
  if (line === 0) throw new Error(`The docs name ${symbol} in ${file}, which does not declare it.`);
  return line;
}

/** At the top level or as a member, by name; 0 if nowhere. */
export function declarationLine(text: string, symbol: string): number {
  const pattern = new RegExp(
    `^\\s*(?:export\\s+)?(?:default\\s+)?(?:declare\\s+)?(?:async\\s+)?(?:const|let|function\\*?|class|interface|type)\\s+${symbol}\\b` +
      `|^\\s*(?:readonly\\s+|async\\s+|static\\s+|private\\s+|#)*${symbol}\\??\\s*[(<:=]`,
  );
  return text.split('\n').findIndex((line) => pattern.test(line)) + 1;
}
