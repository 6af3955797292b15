/** Where a page's Markdown twin is, from the root of the site; null for pages that are not prose. */
export function markdownPath(id: string): string | null {
  if (id === '404' || id === 'playground') return null;
  return `/${id === '' ? 'index' : id}.md`;
}
