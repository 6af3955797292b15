/** Where a page's card is, from the root of the site. */
export function cardPath(id: string): string {
  return `/cards/${id === '' ? 'index' : id}.png`;
}
