/** Where secret values come back from: the MCP file of this call, then the environment. */
import { processSecrets } from '../adapters/node-host/index.ts';
import type { Secrets } from '../engine/ports.ts';
import type { McpServer } from '../engine/types.ts';

export function sessionSecrets(servers: readonly McpServer[], environment: NodeJS.ProcessEnv = process.env): Secrets {
  const fromEnvironment = processSecrets({ environment });
  return (ref) => {
    if (ref.kind === 'env') return fromEnvironment(ref);
    const server = servers.find((each) => each.name === ref.server);
    const pairs = server && (ref.kind === 'mcp-header' ? 'headers' in server && server.headers : 'env' in server && server.env);
    const found = pairs ? pairs.find((pair) => pair.name === ref.name)?.value : undefined;
    return found ?? fromEnvironment(ref);
  };
}
