/** What the logging agent writes down, one JSON object a line. */
import { existsSync, readFileSync } from 'node:fs';

export type AgentLogLine =
  | { readonly at: 'start'; readonly pid: number; readonly mark: string }
  | { readonly at: 'prompt'; readonly pid: number; readonly agentSessionId: string; readonly blocks: number; readonly text: string };

/** All that was written; a line cut off by a kill is left out. */
export function readAgentLog(file: string): AgentLogLine[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as AgentLogLine);
}
