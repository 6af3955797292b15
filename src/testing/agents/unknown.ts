/** The answers of agents to a session id they do not have, or say they do not have. */
import { RequestError } from '@agentclientprotocol/sdk';
import type { UnknownShape } from './variants.ts';

/**
 * The JSON-RPC error an agent of this shape gives for `method` on `sessionId`.
 *
 * @example
 * throw unknownSession('spec', 'x', 'session/load');
 */
export function unknownSession(shape: UnknownShape, sessionId: string, method: string): RequestError {
  switch (shape) {
    case 'spec':
      return new RequestError(-32002, `Session not found: ${sessionId}`, { sessionId });
    case 'claude':
      return new RequestError(-32002, 'Resource not found', { sessionId });
    case 'nonuuid':
      return new RequestError(-32603, 'Internal error', {
        details: `--resume requires a valid session ID when used in this mode; "${sessionId}" is not one`,
      });
    case 'opencode':
      return new RequestError(-32603, 'Internal error: OpenCode service failure', { service: 'session' });
    case 'opencode-old':
      return new RequestError(-32603, 'Internal error', { details: 'NotFoundError' });
    case 'pi':
      return new RequestError(-32602, 'Invalid params', `Unknown sessionId: ${sessionId}`);
    case 'goose':
      return new RequestError(-32002, 'Resource not found', `Session not found: ${sessionId}`);
    case 'cursor':
      return new RequestError(-32602, `Session "${sessionId}" not found`);
    case 'words':
      return new RequestError(-32603, 'Internal error', { details: `no rollout found for thread id ${sessionId}` });
    case 'words-params':
      return new RequestError(-32602, 'Bad request', { reason: `The conversation ${sessionId} does not exist any more` });
    case 'method-missing':
      return new RequestError(-32601, `"Method not found": ${method}`, { method });
    case 'other-resource':
      return new RequestError(-32002, 'Resource not found: file:///etc/agent/profile.toml', { uri: 'file:///etc/agent/profile.toml' });
    case 'opaque-but-listed':
    case 'opaque-no-list':
      return new RequestError(-32603, 'Internal error', {});
  }
}
