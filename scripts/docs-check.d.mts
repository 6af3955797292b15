export function codeSpans(text: string): string[];
export function wrongNames(text: string, known: ReadonlySet<string>, exists?: (file: string) => boolean): string[];
export function writtenNumbers(text: string, allowed?: readonly string[]): string[];
export function sourceProblems(): string[];
