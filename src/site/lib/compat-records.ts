/** What was found of real agents: the records that `npm run compat` writes, by the agents' names. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

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
    readonly protocolVersion: number | null;
    readonly capabilities: {
      readonly loadSession?: boolean;
      readonly sessionCapabilities?: Readonly<Record<string, unknown>>;
      readonly promptCapabilities?: Readonly<Record<string, boolean>>;
      readonly mcpCapabilities?: Readonly<Record<string, boolean>>;
    } | null;
    readonly checks: readonly Check[];
    readonly verdict: Verdict;
    /** The same in ACP 2, of an agent that speaks both. */
    readonly v2?: { readonly verdict: Verdict; readonly checks: readonly Check[]; readonly differs: readonly string[] };
  };
  readonly host: InHost | null;
  readonly hostV2: InHost | null;
}

interface Verdict {
  readonly tier: string | null;
  readonly summary: string;
}

/** What became of a session in our own host. */
export interface InHost {
  readonly steps: readonly Step[];
  readonly preambleReachedModel: boolean;
  readonly leftovers: number;
}

const ROOT = process.cwd();
const RECORDS = path.join(ROOT, 'content/data/compat');

export const compatRecords: readonly CompatRecord[] = readdirSync(RECORDS)
  .map((file) => JSON.parse(readFileSync(path.join(RECORDS, file), 'utf8')) as CompatRecord)
  .sort((one, other) => one.name.localeCompare(other.name));

/** The page of an agent, from the root of the site without slashes around it. */
export const agentSlug = ({ name }: CompatRecord): string => `guides/agents/${name.toLowerCase().replaceAll(' ', '-')}`;

interface Choice {
  readonly id: string;
  readonly name: string;
  readonly description?: string | null;
}
/** What an agent offers a client to choose, as it said when it was examined; lists are cut to their first two entries. */
export interface Choices {
  readonly authMethods: readonly Choice[];
  readonly modes: readonly Choice[];
  readonly options: readonly (Choice & { readonly category?: string; readonly options: readonly { readonly value: string }[] })[];
}

/** From the frames that were recorded beside the record; nothing of an agent that let nobody in without an account. */
export function choicesOf(record: CompatRecord): Choices | null {
  const file = path.join(ROOT, 'tests/agents-compat/frames', `${record.package.replace(/^@/, '').replaceAll('/', '-')}.jsonl`);
  if (!existsSync(file)) return null;
  const results = readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { readonly dir: string; readonly frame: { readonly result?: Readonly<Record<string, unknown>> } })
    .flatMap(({ dir, frame }) => (dir === 'receive' && frame.result ? [frame.result] : []));
  const answer = (field: string) => results.find((result) => field in result);
  const { modes, configOptions } = (answer('sessionId') ?? {}) as {
    readonly modes?: { readonly availableModes: Choices['modes'] };
    readonly configOptions?: Choices['options'];
  };
  return {
    authMethods: (answer('agentCapabilities')?.['authMethods'] ?? []) as Choices['authMethods'],
    modes: modes?.availableModes ?? [],
    options: configOptions ?? [],
  };
}
