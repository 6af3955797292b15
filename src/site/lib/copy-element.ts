/** Copy buttons: for each code block, and for the page as Markdown. Made here, so that none is dead without JavaScript. */
const DONE_MS = 1500;

function copyButton(label: string, text: () => string | Promise<string>): HTMLButtonElement {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = label;
  button.addEventListener('click', async () => {
    let said = 'Copied';
    try {
      await navigator.clipboard.writeText(await text());
    } catch {
      said = 'Could not copy';
    }
    button.textContent = said;
    setTimeout(() => (button.textContent = label), DONE_MS);
  });
  return button;
}

/** Lines are elements of their own; their texts hold no line breaks. */
function codeOf(pre: Element): string {
  return [...pre.querySelectorAll('.ec-line')].map((line) => line.textContent).join('\n');
}

export function defineCopy(): void {
  for (const pre of document.querySelectorAll('.expressive-code pre')) {
    const button = copyButton('Copy', () => codeOf(pre));
    button.className = 'copy-code';
    pre.after(button);
  }
  const tools = document.querySelector('page-tools');
  const twin = tools?.querySelector('a');
  if (tools && twin) {
    tools.prepend(
      copyButton('Copy page', async () => {
        const answer = await fetch(twin.href);
        if (!answer.ok) throw new Error(`${twin.href} answered ${answer.status}`);
        return answer.text();
      }),
    );
  }
}
