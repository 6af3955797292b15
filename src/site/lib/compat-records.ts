/** What was found of real agents: the records that `npm run compat` writes, by the agents' names. */
export interface Check {
  readonly id: string;
  readonly outcome: 'pass' | 'fail' | 'skip';
  readonly detail: string;
}

interface Step {
  readonly step: string;
  readonly answer: string;
  readonly knows: boolean;
  readonly report: { readonly tier: string } | null;
}

export interface CompatRecord {
  readonly name: string;
  readonly package: string;
  readonly version: string;
  readonly date: string;
  readonly command: string;
  readonly model: boolean;
  readonly note?: string;
  readonly report: {
    readonly capabilities: {
      readonly promptCapabilities?: { readonly image?: boolean };
      readonly mcpCapabilities?: { readonly http?: boolean; readonly sse?: boolean };
    } | null;
    readonly checks: readonly Check[];
    readonly verdict: { readonly tier: string | null; readonly summary: string };
  };
  readonly host: { readonly steps: readonly Step[]; readonly preambleReachedModel: boolean; readonly leftovers: number } | null;
}

const files = import.meta.glob<{ default: CompatRecord }>('../../../content/data/compat/*.json', { eager: true });

export const compatRecords: readonly CompatRecord[] = Object.values(files)
  .map((file) => file.default)
  .sort((one, other) => one.name.localeCompare(other.name));
