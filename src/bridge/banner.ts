import type { Bridge } from './bridge.ts';
import { type BridgeOptions, isLoopback } from './options.ts';

/** What a person is told when a bridge starts: what it exposes, to whom, and how to stop it. The token is on a line of its own. */
export function formatBridgeBanner(bridge: Bridge, options: BridgeOptions): string {
  const host = options.host ?? '127.0.0.1';
  const origins = options.origins ?? [];
  const who = [
    ...(origins.length > 0 ? [`pages of ${origins.join(', ')}`] : []),
    ...(options.allowMissingOrigin === true ? ['programs that are not browsers'] : []),
  ];
  const lines = [
    `Bridge on ${bridge.url}`,
    `  agents   ${bridge.agents.join(', ')}, in ${bridge.cwd}`,
    `  for      ${who.length === 0 ? 'nobody yet: give --origin URL or --allow-missing-origin' : `${who.join(' and ')}, with the token`}`,
    `  token    ${bridge.token}`,
    `  means    whoever has the token acts with the rights of the agents: their files, their programs, your account`,
  ];
  if (options.allowMcp === true)
    lines.push(
      '  --allow-mcp   clients may also have the agents start any program: as an MCP server, or by settings and environment in _meta',
    );
  if (!isLoopback(host)) {
    lines.push(
      `  WARNING  ${host} is not loopback: other machines can reach this, and the connection is not encrypted. Put it behind a tunnel or a proxy with TLS.`,
    );
  }
  lines.push('  stop     Ctrl-C; the agents end with it');
  return lines.join('\n');
}
