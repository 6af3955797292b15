export function codeSpans(text: string): string[];
export function wrongNames(text: string, known: ReadonlySet<string>, exists?: (file: string) => boolean): string[];
export function writtenNumbers(text: string, allowed?: readonly string[]): string[];
export function wrongSources(text: string, sourceOf?: (file: string) => string): string[];
export function wrongParts(text: string, pages: ReadonlySet<string>): string[];
export function publicExports(): readonly {
  readonly name: string;
  readonly there: boolean;
  readonly exports: readonly string[];
  readonly silent: readonly string[];
}[];
export function sourceProblems(): string[];
export function siteProblems(site: string): string[];
