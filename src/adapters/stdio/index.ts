/**
 * Agents as child processes over stdio.
 *
 * Every agent leads a process group (and session) of its own and carries a mark in its environment
 * that its descendants inherit (`REHYDRATE_MARK`). `end('ask')` closes stdin, waits `askMs`, sends
 * SIGTERM, waits `termMs`, sends SIGKILL, and resolves when the whole tree is gone. One guard process
 * for each host ends what is left when the host dies without doing so.
 *
 * | platform | how a tree is found | what escapes |
 * |---|---|---|
 * | Linux | process group, the mark in /proc/PID/environ, and all their descendants | a descendant that left the group, cleared its environment, and whose parents have all exited |
 * | macOS, BSD | process group and all descendants, from `ps` | a daemon: a descendant that left the group and whose parents have exited; between an agent's spawn and the next line to the guard, a killed host leaves that one agent |
 * | Windows | `taskkill /T`, the system's parent links | a descendant whose parent has exited. SIGTERM has no meaning there: the polite step is `taskkill` without `/F`, which console programs ignore. `.cmd` and `.bat` files need `command: 'cmd.exe'` |
 *
 * Another user's process (setuid) cannot be signalled anywhere; `exited` then settles after `goneMs`
 * and the diagnostics name it.
 */
export { stdioLauncher, type StdioAgent, type StdioLauncherOptions } from './launcher.ts';
export { STDIO_LIMITS, type StdioLimits } from './limits.ts';
export { CLIENT_LIMITS, nodeClientServices, type ClientLimits, type NodeClientOptions } from './client/index.ts';
