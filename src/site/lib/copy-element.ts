/** For each code block, and for the page as Markdown. Made here, so that no button is dead without JavaScript. */
const DONE_MS = 1500;

function copyButton(label: string, text: () => string | Promise<string>): HTMLButtonElement {
  const button = Object.assign(document.createElement('button'), { type: 'button', textContent: label });
  button.addEventListener('click', async () => {
    button.textContent = await Promise.resolve()
      .then(text)
      .then((copied) => navigator.clipboard.writeText(copied))
      .then(
        () => 'Copied',
        () => 'Could not copy',
      );
    setTimeout(() => (button.textContent = label), DONE_MS);
  });
  return button;
}

export function defineCopy(): void {
  for (const pre of document.querySelectorAll('.expressive-code pre')) {
    const code = () => [...pre.querySelectorAll('.ec-line')].map((line) => line.textContent).join('\n');
    pre.after(Object.assign(copyButton('Copy', code), { className: 'copy-code' }));
  }
  const twin = document.querySelector<HTMLAnchorElement>('page-tools a');
  twin?.before(
    copyButton('Copy page', async () => {
      const answer = await fetch(twin.href);
      if (!answer.ok) throw new Error(`${twin.href} answered ${answer.status}`);
      return answer.text();
    }),
  );
}
