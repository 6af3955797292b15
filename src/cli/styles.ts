/** Colours where they are wanted: on a terminal, and not against NO_COLOR. */
export interface Styles {
  dim(text: string): string;
  prompt(text: string): string;
}

export function styles(environment: Readonly<Record<string, string | undefined>>, tty: boolean): Styles {
  const on = tty && !environment['NO_COLOR'] && environment['TERM'] !== 'dumb';
  const wrap = (code: number) => (text: string) => (on ? `\u001b[${code}m${text}\u001b[0m` : text);
  return { dim: wrap(2), prompt: wrap(36) };
}
