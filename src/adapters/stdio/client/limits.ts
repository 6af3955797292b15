import { DEFAULT_LIMITS } from '../../../engine/limits.ts';

/** Every bound of what agents may ask of a Node host (I10). */
export interface ClientLimits {
  /** The largest file that is read or written, in bytes. */
  readonly fileBytes: number;
  /** How many terminals of one session may exist at once, ended ones that were not released included. */
  readonly terminals: number;
  /** The output a terminal keeps when the agent names no limit, in bytes. */
  readonly outputBytes: number;
  /** The most an agent may have it keep, in bytes. */
  readonly outputMaxBytes: number;
  /** After SIGTERM to a terminal's tree: how long until SIGKILL, in milliseconds. */
  readonly termMs: number;
}

export const CLIENT_LIMITS: ClientLimits = Object.freeze({
  fileBytes: 16 * 1024 * 1024,
  terminals: 32,
  outputBytes: 1024 * 1024,
  outputMaxBytes: 16 * 1024 * 1024,
  termMs: 2_000,
});

/**
 * What a file's text or a terminal's output may take in an answer, encoded: `messageBytes` less what stands
 * around it. A launcher that is given a smaller `messageBytes` needs a smaller `fileBytes` and `outputMaxBytes`.
 */
export const ANSWER_BYTES = DEFAULT_LIMITS.messageBytes - 64 * 1024;

/** A text in an error is shortened to this, since it may repeat what the agent gave, in UTF-16 units. */
export const ERROR_CHARS = 4_096;
