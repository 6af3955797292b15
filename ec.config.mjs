import { defineEcConfig } from '@astrojs/starlight/expressive-code';
import { leanCode } from './src/site/lib/lean-code.ts';

/** Half a second for a line is less than a busy machine takes for a grammar’s first one, and then the line keeps half of its colours. */
const withoutTimeLimit = {
  name: 'without-time-limit',
  preprocess() {
    this.options.tokenizeTimeLimit = 0;
  },
};

export default defineEcConfig({
  // Nothing scrolls sideways: not on a phone, and not for somebody without a mouse.
  defaultProps: { wrap: true },
  frames: { showCopyToClipboardButton: false },
  shiki: { transformers: [withoutTimeLimit] },
  plugins: [leanCode()],
});
