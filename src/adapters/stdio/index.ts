/**
 * Agents as child processes over stdio.
 *
 * Every agent leads a process group (and session) of its own and carries a mark in its environment that its descendants
 * inherit (`REHYDRATE_MARK`). One guard process for each host ends what is left when the host dies without doing so. What can
 * escape, by platform, is on the security page of the documentation. On Windows, asking is `taskkill` without `/F`, which console
 * programs ignore, and `.cmd` and `.bat` files need `command: 'cmd.exe'`.
 */
export { stdioLauncher, type StdioAgent, type StdioLauncherOptions } from './launcher.ts';
export { STDIO_LIMITS, type StdioLimits } from './limits.ts';
export { CLIENT_LIMITS, nodeClientServices, type ClientLimits, type NodeClientOptions } from './client/index.ts';
