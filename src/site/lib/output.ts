/** What commands printed, from the records that the tests of their pages make: `showsAsRecorded` of tests/support/record.ts. */
interface Run {
  readonly command: string;
  readonly output: string;
}
const files = import.meta.glob<{ default: { readonly runs: readonly Run[] } }>('../../../content/data/output/*.json', { eager: true });

/** All runs of a record, or the one that is asked for. */
export function runsOf(id: string): readonly Run[] {
  const found = files[`../../../content/data/output/${id}.json`]?.default.runs;
  if (!found) throw new Error(`content/data/output/${id}.json is not there.`);
  return found;
}

export function runOf(id: string, index: number): Run {
  const found = runsOf(id)[index];
  if (!found) throw new Error(`content/data/output/${id}.json has no run ${index}.`);
  return found;
}
