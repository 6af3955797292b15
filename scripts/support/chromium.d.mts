export function installedChromium(): string | null;
export function chromiumArgs(): string[];
export function ensureChromium(say: (line: string) => void): Promise<string>;
