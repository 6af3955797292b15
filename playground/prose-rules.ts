/** Removes the site's rules for prose that use `:has()`, of which this page has none: with them Chromium computes every element's style whenever one is added, and a streaming answer adds many. */
export function dropProseRules(sheets: StyleSheetList): void {
  for (const sheet of sheets) {
    // What an extension brought cannot be read.
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
