/** The records that `npm run compat` writes, by the agents' names. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { AgentCapabilities, AuthMethod, SessionMode } from '@agentclientprotocol/sdk';
import type { DoctorReport } from '../../cli/doctor/report.ts';
import type { Tier } from '../../engine/types.ts';
import { ROOT } from './source.ts';

/** What became of a session in our own host. */
export interface InHost {
  readonly steps: readonly {
    readonly step: string;
    readonly answer: string;
    readonly knows: boolean;
    readonly report: { readonly tier: Tier } | null;
  }[];
  readonly preambleReachedModel: boolean;
  readonly leftovers: number;
}

export interface CompatRecord {
  readonly name: string;
  readonly package: string;
  readonly version: string;
  readonly date: string;
  readonly command: string;
  readonly model: boolean;
  readonly note?: string;
  readonly report: Omit<DoctorReport, 'capabilities'> & { readonly capabilities: AgentCapabilities | null };
  readonly host: InHost | null;
  readonly hostV2: InHost | null;
}

export const compatRecords = globSync(path.join(ROOT, 'content/data/compat/*.json'))
  .map((file) => JSON.parse(readFileSync(file, 'utf8')) as CompatRecord)
  .sort((one, other) => one.name.localeCompare(other.name));

/** From the root of the site, without slashes around it. */
export const agentSlug = ({ name }: CompatRecord): string => `guides/agents/${name.toLowerCase().replaceAll(' ', '-')}`;

/** What an agent offered when it was examined; lists are cut to their first two entries. */
export interface Choices {
  readonly authMethods: readonly AuthMethod[];
  readonly modes: readonly SessionMode[];
  readonly options: readonly (SessionMode & { readonly category?: string; readonly options: readonly { readonly value: string }[] })[];
}

/** From the frames beside the record; null for an agent that lets nobody in without an account. */
export function choicesOf(record: CompatRecord): Choices | null {
  const file = path.join(ROOT, 'tests/agents-compat/frames', `${record.package.replace(/^@/, '').replaceAll('/', '-')}.jsonl`);
  if (!existsSync(file)) return null;
  const frames = readFileSync(file, 'utf8').trim().split('\n');
  const results = frames.flatMap((line) => {
    const { dir, frame } = JSON.parse(line) as { readonly dir: string; readonly frame: { readonly result?: object } };
    return dir === 'receive' && frame.result ? [frame.result] : [];
  });
  const answer = (field: string): object => results.find((result) => field in result) ?? {};
  const { authMethods = [] } = answer('agentCapabilities') as Partial<Choices>;
  const { modes, configOptions: options = [] } = answer('sessionId') as {
    readonly modes?: { readonly availableModes: Choices['modes'] };
    readonly configOptions?: Choices['options'];
  };
  return { authMethods, modes: modes?.availableModes ?? [], options };
}
