/** What the bundler gives for these imports. */
declare module '*?worker&url' {
  const url: string;
  export default url;
}
declare module '*?url' {
  const url: string;
  export default url;
}
declare module '*.css' {}
interface ImportMeta {
  readonly env: { readonly DEV: boolean; readonly BASE_URL: string };
}
