/**
 * A named part of a source file: the lines between `// #region name` and `// #endregion name`,
 * other markers removed and the common indentation taken off. Without a name, the whole file.
 */
export function regionOf(text: string, name: string | undefined, file: string): string {
  const lines = text.replace(/\s+$/, '').split('\n');
  const marker = /^\s*\/\/ #(end)?region\b\s*(\S*)/;
  let part = lines;
  if (name !== undefined) {
    const start = lines.findIndex((line) => marker.exec(line)?.[1] === undefined && marker.exec(line)?.[2] === name);
    const end = lines.findIndex((line) => marker.exec(line)?.[1] === 'end' && marker.exec(line)?.[2] === name);
    if (start < 0 || end < start) throw new Error(`${file} has no region "${name}".`);
    part = lines.slice(start + 1, end);
  }
  const kept = part.filter((line) => !marker.test(line));
  const indent = Math.min(...kept.filter((line) => line.trim() !== '').map((line) => /^\s*/.exec(line)![0].length));
  return kept.map((line) => line.slice(Number.isFinite(indent) ? indent : 0)).join('\n').trim();
}
