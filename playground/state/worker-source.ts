/**
 * A worker's script, kept in the page: an agent is started again and again, and must start offline and
 * without waiting for the network. Until it is here, the worker is made from its address.
 */
export class WorkerSource {
  readonly #url: string;
  readonly #module: boolean;
  #blob: string | null = null;

  /** `module`: the script has imports (a development server's), so it only runs from its own address. */
  constructor(url: string, module: boolean) {
    this.#url = url;
    this.#module = module;
  }

  async load(): Promise<void> {
    if (this.#module || this.#blob) return;
    const response = await fetch(this.#url);
    if (!response.ok) throw new Error(`The server answered ${response.status} for the agents’ script.`);
    this.#blob = URL.createObjectURL(new Blob([await response.text()], { type: 'text/javascript' }));
  }

  start(name?: string): Worker {
    return new Worker(this.#blob ?? this.#url, {
      ...(this.#module ? { type: 'module' as const } : {}),
      ...(name === undefined ? {} : { name }),
    });
  }
}
