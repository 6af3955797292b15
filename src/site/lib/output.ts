/** What commands printed, as the tests of their pages recorded it. */
interface Run {
  readonly command: string;
  readonly output: string;
}
const files = import.meta.glob<{ default: { readonly runs: readonly Run[] } }>('../../../content/data/output/*.json', { eager: true });

export function runsOf(id: string, only?: number): readonly Run[] {
  const found = files[`../../../content/data/output/${id}.json`]?.default.runs.filter((_, i) => only === undefined || i === only) ?? [];
  if (found.length === 0) throw new Error(`content/data/output/${id}.json is not there, or has no run ${only}.`);
  return found;
}
