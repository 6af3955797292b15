export function installedChromium(): string | null;
export function chromiumArgs(): string[];
export function ensureChromium(): Promise<string>;
