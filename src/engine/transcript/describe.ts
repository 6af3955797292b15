/**
 * Content blocks and tool calls in words. Whatever an agent sent, nothing here throws or dumps. Nor is anything
 * shortened to what will be shown of it: that comes after redaction, so that no half of a secret stays.
 */
import { asText, sizeWords, utf8Length } from './text.ts';

/** Names and addresses longer than this are bulk, and only measured: cut through, one could keep half a secret. */
const MAX_NAME = 2_000;

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields {
  return value !== null && typeof value === 'object' ? (value as Fields) : {};
}
const string = (value: unknown): string => (typeof value === 'string' ? value : '');
/** A name inside a message, on one line. (Redaction knows how values look with their blanks collapsed.) */
const name = (value: unknown): string => {
  const text = string(value);
  return text.length > MAX_NAME ? `(a name of ${sizeWords(utf8Length(text))})` : text.replace(/\s+/g, ' ');
};

/** A content block: its text, or its name in brackets. `inline` is false for what stands on a line of its own. */
export function describeContent(content: unknown): { readonly text: string; readonly inline: boolean } {
  const block = fieldsOf(content);
  switch (block['type']) {
    case 'text':
      return { text: string(block['text']), inline: true };
    case 'image':
    case 'audio':
      return attachment(
        asText(block['type']),
        string(block['mimeType']),
        string(block['uri']),
        Math.floor(string(block['data']).length * 0.75),
      );
    case 'resource_link':
      return attachment(
        'link',
        string(block['title']) || string(block['name']),
        string(block['uri']),
        typeof block['size'] === 'number' ? block['size'] : 0,
      );
    case 'resource': {
      const resource = fieldsOf(block['resource']);
      const text = string(resource['text']);
      const bytes = text === '' ? Math.floor(string(resource['blob']).length * 0.75) : utf8Length(text);
      return attachment('resource', string(resource['mimeType']), string(resource['uri']), bytes);
    }
    default:
      return { text: `[${name(block['type']) || 'something unreadable'}]`, inline: false };
  }
}

function attachment(kind: string, what: string, uri: string, bytes: number): { text: string; inline: false } {
  const address = uri.startsWith('data:') ? '' : name(uri);
  const parts = [kind, name(what), address, bytes > 0 ? sizeWords(bytes) : ''].filter((part) => part !== '');
  return { text: `[${parts.join(', ')}]`, inline: false };
}

/** What is known of a tool call, later words over earlier ones. */
export interface ToolCallState {
  readonly title?: string;
  readonly kind?: string;
  readonly status?: string;
  readonly content?: readonly unknown[];
  readonly output?: string;
  readonly paths?: readonly string[];
}

/** Adds an older report of a tool call to what later ones said. */
export function mergeToolCall(later: ToolCallState | undefined, older: Fields): ToolCallState {
  const content = Array.isArray(older['content']) && older['content'].length > 0 ? (older['content'] as unknown[]) : undefined;
  const locations = Array.isArray(older['locations'])
    ? older['locations'].map((location) => string(fieldsOf(location)['path'])).filter((path) => path !== '')
    : [];
  const output = outputOf(older['rawOutput']);
  return {
    title: later?.title ?? (string(older['title']) || undefined),
    kind: later?.kind ?? (string(older['kind']) || undefined),
    status: later?.status ?? (string(older['status']) || undefined),
    content: later?.content ?? content,
    output: later?.output ?? (output || undefined),
    paths: later?.paths ?? (locations.length > 0 ? locations.slice(0, 3) : undefined),
  };
}

/** The readable part of a raw output, where it has one; objects are not dumped. */
function outputOf(raw: unknown): string {
  if (typeof raw === 'string') return raw;
  const fields = fieldsOf(raw);
  return (
    ['output', 'stdout', 'aggregated_output', 'formatted_output', 'text', 'content', 'result', 'stderr', 'error', 'message']
      .map((key) => string(fields[key]))
      .find((text) => text.trim() !== '') ?? ''
  );
}

/** The head (title, kind, status), which becomes one line once it is redacted, and the output below it. */
export function describeToolCall(state: ToolCallState): { readonly head: string; readonly body: readonly string[] } {
  const facts = [state.kind, state.status].filter((fact) => fact !== undefined);
  const title = state.title ?? 'a tool call';
  const paths = (state.paths ?? []).filter((path) => !title.includes(path));
  const head = `${title}${facts.length > 0 ? ` (${facts.join(', ')})` : ''}${paths.length > 0 ? ` ${paths.join(' ')}` : ''}`;
  const body = state.content?.map(describeToolContent) ?? (state.output === undefined ? [] : [state.output]);
  return { head, body: body.flatMap((part, i) => (i === 0 ? [part] : ['\n', part])) };
}

function describeToolContent(item: unknown): string {
  const fields = fieldsOf(item);
  if (fields['type'] === 'diff') return `diff of ${name(fields['path'])}:\n${string(fields['newText'])}`;
  if (fields['type'] === 'terminal') return '[terminal]';
  return describeContent(fields['content'] ?? item).text;
}
