/** What of the model server is used here: its package is only there once the agents are installed, and this folder is type-checked without it. */
declare module '@copilotkit/aimock' {
  interface Message {
    readonly role: string;
    readonly content: unknown;
  }
  interface Request {
    readonly messages: readonly Message[];
    readonly tools?: readonly { readonly function?: { readonly name?: string } }[];
  }
  type Answer = { readonly content: string } | { readonly toolCalls: readonly { readonly name: string; readonly arguments: string }[] };
  export class LLMock {
    constructor(options: { readonly host: string; readonly port: number });
    readonly url: string;
    on(match: { readonly predicate: (request: Request) => boolean }, response: (request: Request) => Answer | Promise<Answer>): this;
    start(): Promise<unknown>;
    stop(): Promise<void>;
  }
}
