/** What commands printed, from the records that the tests of their pages make: `showsAsRecorded` of tests/support/record.ts. */
interface Run {
  readonly command: string;
  readonly output: string;
}
const files = import.meta.glob<{ default: { readonly runs: readonly Run[] } }>('../../../content/data/output/*.json', { eager: true });

/** The runs of a record, or the one that is asked for. */
export function runsOf(id: string, only?: number): readonly Run[] {
  const found = files[`../../../content/data/output/${id}.json`]?.default.runs.filter((_, i) => only === undefined || i === only) ?? [];
  if (found.length === 0) throw new Error(`content/data/output/${id}.json is not there, or has no run ${only}.`);
  return found;
}
