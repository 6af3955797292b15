import { defineEcConfig } from '@astrojs/starlight/expressive-code';
import { leanCode } from './src/site/lib/lean-code.ts';

export default defineEcConfig({
  frames: { showCopyToClipboardButton: false },
  plugins: [leanCode()],
});
