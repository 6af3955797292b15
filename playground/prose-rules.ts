/**
 * Takes the site's rules for prose that look into what an element holds (`.sl-markdown-content ul:has(> li > :not(…))`)
 * out of this page, which has no prose. With them Chromium computes the style of every element of the page whenever one
 * is added anywhere, and a streaming answer adds many.
 */
export function dropProseRules(sheets: StyleSheetList): void {
  for (const sheet of sheets) {
    // Only the site's own can be read; what an extension brought is not ours.
    if (sheet.href === null || new URL(sheet.href).origin === location.origin) dropFrom(sheet);
  }
}

function dropFrom(owner: CSSStyleSheet | CSSGroupingRule): void {
  for (let at = owner.cssRules.length - 1; at >= 0; at--) {
    const rule = owner.cssRules[at];
    if (rule instanceof CSSStyleRule && rule.selectorText.includes('.sl-markdown-content') && rule.selectorText.includes(':has('))
      owner.deleteRule(at);
    else if (rule instanceof CSSGroupingRule) dropFrom(rule);
  }
}
