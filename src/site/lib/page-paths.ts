/** Where a page's Markdown twin is, from the root of the site; null for pages that are not prose. */
export function markdownPath(id: string): string | null {
  return id === '404' || id === 'playground' ? null : `/${id || 'index'}.md`;
}

export const cardPath = (twin: string): string => `/cards${twin.replace(/md$/, 'png')}`;
