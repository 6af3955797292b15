import { defineEcConfig } from '@astrojs/starlight/expressive-code';
import { leanCode } from './src/site/lib/lean-code.ts';

export default defineEcConfig({
  // Nothing scrolls sideways: not on a phone, and not for somebody without a mouse.
  defaultProps: { wrap: true },
  frames: { showCopyToClipboardButton: false },
  plugins: [leanCode()],
});
