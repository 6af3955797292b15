/**
 * `acp-rehydrate`: ACP sessions that survive the death of the agent.
 * This is the engine alone: databases and agents come from the adapters.
 */
export { createHost } from './sessions/create-host.ts';
export type { HostOptions, PermissionRule, PreambleOptions } from './sessions/config.ts';
export type {
  AdoptOptions,
  AgentSessionsOptions,
  CreateOptions,
  DescribeOptions,
  ForkOptions,
  Host,
  PromptOptions,
  ResumeOptions,
  SessionChange,
  SessionChanges,
} from './sessions/host.ts';
export type { SearchHit, SearchRequest, SearchResult } from './records/search.ts';
export { classifyResumeFailure } from './resume/classify.ts';
export { EMPTY_VIEW, foldEvents, type View, type ViewMessage, type ViewToolCall } from './fold-events.ts';
export { renderTranscript } from './transcript/render.ts';
export { DEFAULT_LIMITS, FIXED_LIMITS, type FixedLimits, type Limits } from './limits.ts';
export { ERROR_CODES, RehydrateError, type ErrorCode } from './errors.ts';
export { workspaceFiles, type WorkspaceOptions } from './workspace-files.ts';
export { describeExit, isCleanExit, SqlError } from './ports.ts';
export type {
  AgentExit,
  AgentLauncher,
  AgentProcess,
  AgentSpec,
  ClientServiceNotification,
  ClientServiceRequest,
  ClientServices,
  DroppedLines,
  LeaseOwner,
  McpPlace,
  MessageStream,
  OwnerAlive,
  OwnerRegistry,
  PreambleFiles,
  Row,
  SecretRef,
  Secrets,
  SqlDatabase,
  SqlErrorKind,
  SqlValue,
  Statement,
  StatementResult,
} from './ports.ts';
export type * from './types.ts';
