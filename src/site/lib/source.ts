import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { deploymentFrom } from './deployment.ts';

/** The checkout: builds and tests run from its root. */
const ROOT = process.cwd();

/** The text of a file of this repository; throws with the path when it is not there. */
export function readSource(file: string): string {
  const full = path.join(ROOT, file);
  if (!existsSync(full)) throw new Error(`The docs name ${file}, which does not exist.`);
  return readFileSync(full, 'utf8');
}

/** The line a symbol is declared on (1-based), or null when only the file was asked for; throws when either is gone. */
export function locate(file: string, symbol?: string): number | null {
  if (symbol === undefined) {
    if (!existsSync(path.join(ROOT, file))) throw new Error(`The docs name ${file}, which does not exist.`);
    return null;
  }
  const line = declarationLine(readSource(file), symbol);
  if (line === null) throw new Error(`The docs name ${symbol} in ${file}, which does not declare it.`);
  return line;
}

/** Where `symbol` is declared in TypeScript text: a top-level or member declaration, by its name. */
export function declarationLine(text: string, symbol: string): number | null {
  const name = symbol.replace(/[$()]/g, (c) => (c === '$' ? '\\$' : ''));
  const pattern = new RegExp(
    `^\\s*(?:export\\s+)?(?:default\\s+)?(?:declare\\s+)?(?:async\\s+)?(?:const|let|function\\*?|class|interface|type)\\s+${name}\\b` +
      `|^\\s*(?:readonly\\s+|async\\s+|static\\s+|private\\s+|#)*${name}\\??\\s*[(<:=]`,
  );
  const index = text.split('\n').findIndex((line) => pattern.test(line));
  return index < 0 ? null : index + 1;
}

/** The web address of a line of the source, or null when the repository's is not known. */
export function sourceUrl(file: string, line: number | null): string | null {
  const { repository } = deploymentFrom(process.env);
  return repository ? `${repository}/blob/main/${file}${line ? `#L${line}` : ''}` : null;
}
