/**
 * A named part of a source file: the lines between `// #region name` and `// #endregion name`, other
 * markers removed and the common indentation taken off. A name used more than once names one part with
 * gaps. Without a name, the whole file.
 */
export function regionOf(text: string, name: string | undefined, file: string): string {
  const lines = text.replace(/\s+$/, '').split('\n');
  const marker = /^\s*\/\/ #(end)?region (\S+)\s*$/;
  const kept: string[] = [];
  let inside = name === undefined;
  let found = inside;
  for (const line of lines) {
    const match = marker.exec(line);
    if (!match) {
      if (inside) kept.push(line);
    } else if (match[2] === name) {
      inside = match[1] === undefined;
      if (inside && found) kept.push('');
      found = true;
    }
  }
  if (!found || (name !== undefined && inside)) throw new Error(`${file} has no region "${name}" with a beginning and an end.`);
  const indent = Math.min(...kept.filter((line) => line.trim() !== '').map((line) => /^\s*/.exec(line)![0].length));
  return kept
    .map((line) => line.slice(Number.isFinite(indent) ? indent : 0))
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}
