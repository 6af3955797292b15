/** ACP's `fs/read_text_file` and `fs/write_text_file`. */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readlink, realpath } from 'node:fs/promises';
import path from 'node:path';
import { type ClientLimits, ClientRequestError, countParam, invalid, limitExceeded, notFound, refused, textParam } from './request.ts';
import { messageLine } from '../lines.ts';
import { DEFAULT_LIMITS } from '../../../engine/limits.ts';
import type { ClientServiceRequest } from '../../../engine/ports.ts';
import { sliceLines } from '../../../engine/protocol/fs-lines.ts';

/** Room for the rest of the message around a file's text. */
const AROUND_BYTES = 64 * 1024;

export async function readTextFile(request: ClientServiceRequest, limits: ClientLimits): Promise<{ content: string }> {
  const asked = textParam(request.params, 'path');
  const line = countParam(request.params, 'line', 1);
  const limit = countParam(request.params, 'limit', 0);
  const file = await openToRead(asked, request);
  try {
    const { size } = await file.stat();
    if (size > limits.fileBytes) throw limitExceeded('fileBytes', limits.fileBytes, `${asked} has ${size} bytes`);
    const bytes = await file.readFile();
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (error) {
      if (error instanceof TypeError) throw refused(`${asked} is not UTF-8 text.`, { path: asked });
      throw error;
    }
    const content = sliceLines(text, line, limit);
    const { messageBytes } = DEFAULT_LIMITS;
    // The agent can still read it in parts.
    if (Buffer.byteLength(messageLine(content)) > messageBytes - AROUND_BYTES)
      throw limitExceeded('messageBytes', messageBytes, `What is asked of ${asked} does not fit into one message; ask for fewer lines`);
    return { content };
  } catch (error) {
    throw fileProblem(error, asked);
  } finally {
    await file.close();
  }
}

export async function writeTextFile(request: ClientServiceRequest, limits: ClientLimits): Promise<Record<string, never>> {
  const asked = textParam(request.params, 'path');
  const content = Buffer.from(textParam(request.params, 'content'), 'utf8');
  if (content.length > limits.fileBytes)
    throw limitExceeded('fileBytes', limits.fileBytes, `The content for ${asked} has ${content.length} bytes`);
  const file = await openToWrite(asked, request);
  try {
    await file.truncate(0);
    await file.writeFile(content);
    return {};
  } catch (error) {
    throw fileProblem(error, asked);
  } finally {
    await file.close();
  }
}

// Only files inside a session's roots are opened. The system resolves the path (links, `..`, case), the result must lie inside a resolved root, and
// the file is opened in such a way that a link put there meanwhile cannot lead elsewhere.

interface Roots {
  readonly cwd: string;
  readonly additionalDirectories: readonly string[];
}

/** Interfaces of the kernel, which are refused even if a root is `/`. */
const KERNEL = ['/proc', '/sys', '/dev'];

/** Whether `target` is `root` or below it; both absolute and resolved. */
function isInside(root: string, target: string): boolean {
  const relative = path.relative(root, target);
  return relative === '' || (!path.isAbsolute(relative) && relative !== '..' && !relative.startsWith(`..${path.sep}`));
}

function checkPath(text: string): string {
  if (text.includes('\0')) throw invalid('path holds a NUL');
  if (!path.isAbsolute(text)) throw invalid('path must be absolute');
  return path.resolve(text);
}

async function resolvedRoots(roots: Roots): Promise<string[]> {
  const resolved: string[] = [];
  for (const root of [roots.cwd, ...roots.additionalDirectories]) {
    try {
      resolved.push(await realpath(root));
    } catch {
      // A root that cannot be resolved holds nothing; the others still count.
    }
  }
  return resolved;
}

function checkInside(roots: readonly string[], real: string, asked: string): void {
  const root = roots.find((candidate) => isInside(candidate, real));
  const kernel =
    process.platform !== 'win32' && KERNEL.some((place) => isInside(place, real) && !(root !== undefined && isInside(place, root)));
  if (root === undefined || kernel) throw refused(`${asked} is outside the session's directories.`, { path: asked });
}

/** Opens an existing regular file for reading. The caller closes it. */
async function openToRead(asked: string, roots: Roots): Promise<FileHandle> {
  const wanted = checkPath(asked);
  const inside = await resolvedRoots(roots);
  const real = await resolve(wanted, asked, inside);
  return openInside(real, constants.O_RDONLY, asked, inside);
}

/** Opens a regular file for writing; makes it and its directories if missing. Does not truncate it. */
async function openToWrite(asked: string, roots: Roots): Promise<FileHandle> {
  const wanted = checkPath(asked);
  const inside = await resolvedRoots(roots);
  const real = await resolveNew(wanted, asked, inside);
  return openInside(real, constants.O_WRONLY | constants.O_CREAT, asked, inside);
}

async function resolve(wanted: string, asked: string, roots: readonly string[]): Promise<string> {
  let real: string;
  try {
    real = await realpath(wanted);
  } catch (error) {
    await checkLeadsInside(wanted, asked, roots);
    throw fileProblem(error, asked);
  }
  checkInside(roots, real, asked);
  return real;
}

/** More links than this are taken for a circle. */
const MOST_LINKS = 40;

/**
 * Refuses an unresolvable path that leads outside, with the same message whether or not anything is there, because the agent must not learn what
 * exists outside. The nearest parent that can be resolved decides, or the target of a link there.
 */
async function checkLeadsInside(wanted: string, asked: string, roots: readonly string[], links = 0): Promise<void> {
  for (let place = wanted; ; place = path.dirname(place)) {
    const real = await realpath(place).catch(() => null);
    if (real !== null) return checkInside(roots, real, asked);
    const link = links < MOST_LINKS ? await linkAt(place) : null;
    if (link === null) continue;
    const directory = await realpath(path.dirname(place)).catch(() => path.dirname(place));
    return checkLeadsInside(path.resolve(directory, link), asked, roots, links + 1);
  }
}

/** A link's target; null if there is no link, or it cannot be read. */
const linkAt = (place: string): Promise<string | null> => readlink(place).catch(() => null);

/** The real path of a file that may not exist yet. Missing directories are made. */
async function resolveNew(wanted: string, asked: string, roots: readonly string[]): Promise<string> {
  try {
    const real = await realpath(wanted);
    checkInside(roots, real, asked);
    return real;
  } catch (error) {
    if (error instanceof ClientRequestError) throw error;
    await checkLeadsInside(wanted, asked, roots);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fileProblem(error, asked);
    if ((await linkAt(wanted)) !== null) throw refused(`${asked} is a link to a file that is not there.`, { path: asked });
  }
  if (path.dirname(wanted) === wanted) throw notFound(asked, { path: asked });
  const parent = await resolveNew(path.dirname(wanted), asked, roots);
  // Made one by one, each in a directory whose real path was just checked.
  await mkdir(parent).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw fileProblem(error, asked);
  });
  const real = await realpath(parent);
  checkInside(roots, real, asked);
  return path.join(real, path.basename(wanted));
}

/**
 * Opens `real` without following a link at its end. On Linux its directory is opened first, the kernel's path of that is checked, and the file is
 * opened through it, as with `openat`, so that a link swapped in meanwhile has no effect. Elsewhere the directory is resolved again after opening,
 * which narrows the gap but does not close it.
 */
async function openInside(real: string, flags: number, asked: string, roots: readonly string[]): Promise<FileHandle> {
  const { O_NOFOLLOW = 0, O_NONBLOCK = 0, O_DIRECTORY = 0 } = constants;
  const parent = path.dirname(real);
  let directory: FileHandle | null = null;
  let file: FileHandle | null = null;
  try {
    let target = real;
    if (process.platform === 'linux') {
      directory = await open(parent, constants.O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      const place = `/proc/self/fd/${directory.fd}`;
      checkInside(roots, path.join(await readlink(place), path.basename(real)), asked);
      target = path.join(place, path.basename(real));
    }
    // Without O_NONBLOCK a named pipe would block the host forever.
    file = await open(target, flags | O_NOFOLLOW | O_NONBLOCK, 0o666);
    if (process.platform !== 'linux') checkInside(roots, path.join(await realpath(parent), path.basename(real)), asked);
    if (!(await file.stat()).isFile()) throw refused(`${asked} is not a regular file.`, { path: asked });
    const opened = file;
    file = null;
    return opened;
  } catch (error) {
    throw fileProblem(error, asked);
  } finally {
    await file?.close();
    await directory?.close();
  }
}

/** A system error in ACP's terms. */
function fileProblem(error: unknown, asked: string): Error {
  if (error instanceof ClientRequestError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  switch (code) {
    case 'ENOENT':
      return notFound(asked, { path: asked });
    case 'ELOOP':
    case 'EMLINK':
      return refused(`${asked} became a link while it was opened, or its links go in a circle.`, { path: asked });
    case 'EISDIR':
    case 'ENOTDIR':
    case 'ENXIO':
      return refused(`${asked} is not a regular file.`, { path: asked });
    default:
      return new ClientRequestError(-32603, `${asked} could not be opened (${code ?? String(error)}).`, { path: asked, cause: code });
  }
}
