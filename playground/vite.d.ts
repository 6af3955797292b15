/** What the bundler gives for these imports. */
declare module '*?worker' {
  const make: new (options?: { name?: string }) => Worker;
  export default make;
}
declare module '*?url' {
  const url: string;
  export default url;
}
declare module '*.css' {}
