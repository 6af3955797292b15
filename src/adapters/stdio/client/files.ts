/** ACP's `fs/read_text_file` and `fs/write_text_file`. */
import { sliceLines } from '../../../engine/protocol/fs-lines.ts';
import { DEFAULT_LIMITS } from '../../../engine/limits.ts';
import type { ClientServiceRequest } from '../../../engine/ports.ts';
import { fitsEncoded } from './encoded.ts';
import { ANSWER_BYTES, type ClientLimits } from './limits.ts';
import { countParam, limitExceeded, refused, textParam } from './request.ts';
import { fileProblem, openToRead, openToWrite } from './roots.ts';

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
    // Read in parts, it may still be had.
    if (!fitsEncoded(content, ANSWER_BYTES))
      throw limitExceeded(
        'messageBytes',
        DEFAULT_LIMITS.messageBytes,
        `What is asked of ${asked} does not fit into one message; ask for fewer lines`,
      );
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
