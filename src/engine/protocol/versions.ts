/** `initialize`: asks an agent for a version of ACP, and finds out by its answer which one it speaks. */
import { RPC, type AgentCapabilities, type AgentFacts, type AgentProtocol } from './agent-protocol.ts';
import type { ProtocolChoice } from '../types.ts';
import { beginning, NOTE_CHARS } from './bounded.ts';
import type { Connection, Failure, Patience } from './connection.ts';
import { objectOf, type Fields } from '../objects.ts';
import { readCapabilitiesV1, readFactsV1, speakV1 } from './v1.ts';
import { clientCapabilitiesV2, readCapabilitiesV2, readFactsV2, speakV2 } from './v2.ts';

/** The default is the first. */
export const PROTOCOL_CHOICES: readonly ProtocolChoice[] = ['v1', 'v2', 'newest'];

interface ClientIntroduction {
  readonly capabilities: Fields;
  readonly info: { readonly name: string; readonly version: string };
}

/** An agent whose answer to `initialize` cannot be used. */
export interface Unusable {
  readonly kind: 'unusable';
  /** Follows “it” in a sentence. */
  readonly why: string;
  /** Whether it keeps to ACP, but speaks a version that was not asked for. */
  readonly otherVersion: boolean;
}

/** Reads the capabilities of either version, as they were advertised or stored. */
export function readCapabilities(value: unknown): AgentCapabilities {
  const capabilities = objectOf(value) ?? {};
  return objectOf(capabilities['session']) ? readCapabilitiesV2(capabilities) : readCapabilitiesV1(capabilities);
}

/** With 2, the parameters have the fields of 1, too, for an agent that knows only those. */
function initializeParams(version: 1 | 2, { capabilities, info }: ClientIntroduction): object {
  const v1 = { clientCapabilities: capabilities, clientInfo: info };
  return { protocolVersion: version, ...(version === 2 ? { info, capabilities: clientCapabilitiesV2(capabilities) } : {}), ...v1 };
}

/** The fields of the answer decide, not its number: there are agents that say 2 and speak 1. */
function readInitialize(result: unknown, choice: ProtocolChoice): AgentFacts | Unusable {
  const unusable = (why: string, otherVersion: boolean): Unusable => ({ kind: 'unusable', why, otherVersion });
  const answer = objectOf(result);
  if (!answer) return unusable('did not answer initialize with an object', false);
  const number = answer['protocolVersion'];
  if (number !== 1 && number !== 2)
    return unusable(
      `speaks ACP version ${beginning(String(JSON.stringify(number)), NOTE_CHARS)}, this host versions 1 and 2`,
      Number.isInteger(number),
    );
  const isV1 = 'agentCapabilities' in answer || 'agentInfo' in answer || (number === 1 && !('capabilities' in answer));
  if (isV1)
    return choice === 'v2'
      ? unusable('speaks ACP version 1, and is to be used with version 2 only (protocol v2)', true)
      : readFactsV1(answer);
  return choice === 'v1'
    ? unusable('speaks ACP version 2, and is to be used with version 1 only (protocol v1, the default)', true)
    : readFactsV2(answer);
}

/** What a request of the agent's asks of a person; null for all other requests. It is the same in every version. */
export function asksFor(method: string): 'permission' | 'elicitation' | null {
  if (method === 'session/request_permission') return 'permission';
  return method === 'elicitation/create' ? 'elicitation' : null;
}

export async function introduce(
  connection: Connection,
  choice: ProtocolChoice,
  client: ClientIntroduction,
  patience: Patience,
): Promise<AgentProtocol | Unusable | Failure> {
  const ask = (version: 1 | 2) => connection.call('initialize', initializeParams(version, client), patience);
  let outcome = await ask(choice === 'v1' ? 1 : 2);
  if (choice === 'newest' && outcome.kind === 'refused' && outcome.error.code === RPC.versionRefused) outcome = await ask(1);
  if (outcome.kind !== 'answered') return outcome;
  const facts = readInitialize(outcome.value, choice);
  if ('kind' in facts) return facts;
  return facts.protocolVersion === 2 ? speakV2(connection, facts) : speakV1(connection, facts);
}
