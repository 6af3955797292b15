/** What the site says about each error code. The type makes a code without help, and help without a code, a compile error. */
import help from '../../../content/data/errors.json';
import type { ErrorCode } from '../../engine/errors.ts';

/** `means` is one line, for the table; `data`, what stands in `error.data`. */
type Help = Readonly<Record<'means' | 'causes' | 'remedy' | 'data', string>>;

export const ERROR_HELP: Readonly<Record<ErrorCode, Help> & Record<Exclude<keyof typeof help, ErrorCode>, never>> = help;
