/** What Lighthouse says of prose pages, but for its speed: that is a figure, and `npm run lighthouse` takes it. */
import { expect, test } from 'vitest';
import { audit, PAGES } from './audit.mjs';

const FULL = { accessibility: 100, 'best-practices': 100, seo: 100 };

test('accessibility, best practices and SEO are 100 on one of each kind of page', async () => {
  const results = [];
  for await (const result of audit(Object.keys(FULL))) results.push(result);
  expect(results).toEqual(PAGES.map((page) => ({ page, scores: FULL, defects: [] })));
});
