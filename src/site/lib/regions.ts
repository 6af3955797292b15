/**
 * The lines between `// #region name` and `// #endregion name`, without other markers and their common indentation. A name used more than
 * once is one part with gaps; without a name it is the whole file.
 */
export function regionOf(text: string, name: string | undefined, file: string): string {
  const kept: string[] = [];
  let [inside, found] = [name === undefined, name === undefined];
  for (const line of text.trimEnd().split('\n')) {
    const [marker, end, region] = /^\s*\/\/ #(end)?region (\S+)\s*$/.exec(line) ?? [];
    if (marker === undefined) {
      if (inside) kept.push(line);
    } else if (region === name) {
      inside = end === undefined;
      if (inside && found) kept.push('');
      found = true;
    }
  }
  if (!found || (name !== undefined && inside)) throw new Error(`${file} has no region "${name}" with a beginning and an end.`);
  const indent = Math.min(...kept.filter((line) => line.trim()).map((line) => line.search(/\S/)));
  return kept
    .map((line) => line.slice(indent))
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}
