/**
 * A client of tokentape's control API for the tests of a front end: one file without dependencies, for Node, browsers,
 * Deno and Bun.
 *
 *     const provider = new FakeProvider("http://127.0.0.1:8089");
 *     const session = await provider.createSession({ settings: { timing: "stepped" } });
 *     await session.queue("Hello!");
 *     const client = new OpenAI({ baseURL: session.baseUrl("openai_chat"), apiKey: "any" });
 *
 * docs/control-api.md explains the fields; `/_tokentape/openapi.json` has all of them.
 */

/** A part of an answer; docs/scripts.md lists the fields of each type. */
export type Item =
  | { type: "text"; text: string; pieces?: string[] }
  | { type: "reasoning"; text?: string; signature?: string; hidden?: boolean }
  | { type: "tool_call"; name: string; arguments: string | Record<string, unknown>; id?: string }
  | { type: "refusal"; text: string }
  | { type: "server_tool" | "audio"; [field: string]: unknown };

export type FinishReason =
  "stop" | "length" | "tool_calls" | "content_filter" | "refusal" | "pause" | "error" | "other";

/** A response, whatever the provider; a string is one with that text. */
export interface Script {
  choices?: { items: Item[]; finish_reason?: FinishReason | null }[];
  usage?: { input?: number; output?: number; cached?: number; cache_write?: number; reasoning?: number };
  error?: { status?: number; message?: string; retry_after?: number; in_stream?: boolean };
  model?: string;
  faults?: Fault[];
}

/** A fault as a specification such as `fin@frame=5`, or as an object. */
export type Fault = string | { fault: string; [parameter: string]: unknown };

/** An HTTP response as it is sent: frames are `[ms since the request, base64]`. */
export interface Tape {
  status?: number;
  headers?: [string, string][];
  frames?: [number, string][];
  end?: string;
}

export type QueueItem = string | { script: Script } | { tape: Tape };

/** Conditions on a request that all hold, and the scripts that answer it in turn. */
export interface Rule {
  scripts?: (string | Script)[];
  wire?: string;
  model?: string;
  path?: string;
  contains?: string;
  matches?: string;
  last_user?: string | { contains?: string; matches?: string };
  system?: string | { contains?: string; matches?: string };
  turn?: number;
  tool_result?: boolean | string | { name?: string; contains?: string; matches?: string; error?: boolean };
  tools?: boolean | string[];
  stream?: boolean;
  times?: number;
  template?: boolean;
  faults?: Fault[];
  [field: string]: unknown;
}

/** A session's settings; `timing` and `simulation` are objects or specifications. */
export interface Settings {
  timing: string | { type: string; [parameter: string]: unknown };
  strict: boolean;
  seed: number;
  repeat: boolean;
  locale: string;
  dialect: string | null;
  faults: Fault[];
  validate: boolean;
  simulation: string | Record<string, unknown>;
  clock: "server" | "controlled" | "automatic";
  [field: string]: unknown;
}

export interface SessionInfo {
  id: string;
  base_urls: Record<string, string>;
  settings: Settings;
  queued: number;
  rules: number;
  recordings: number;
  requests: number;
}

export type Outcome = "pending" | "complete" | "client_left" | "dropped" | "reset" | "server_stopped";

/** A request, and what became of its response; times are in ms since the request. */
export interface Entry {
  number: number;
  session: string;
  time: number;
  method: string;
  path: string;
  query: string;
  headers: [string, string][];
  body: any;
  wire: string | null;
  model: string | null;
  status: number | null;
  answered_by: string | null;
  source: string;
  note: string;
  misses: {
    kind: "rule" | "recording";
    name: string;
    differences: { path: string; expected: unknown; actual: unknown }[];
    note: string;
  }[];
  usage: { input: number | null; output: number | null } | null;
  faults: string[];
  outcome: Outcome;
  started: number | null;
  first_frame: number | null;
  ended: number | null;
  frames_planned: number;
  frames_sent: number;
  bytes_sent: number;
  frames?: { at: number; left: number; lateness: number; size: number }[];
}

export interface StreamState {
  number: number;
  frames: number;
  sent: number;
  left: number;
  held: boolean;
  over: boolean;
  outcome: Outcome;
}

/** A session's clock, in ms. */
export interface ClockState {
  now: number;
  next_deadline: number | null;
  automatic: boolean;
}

/** A request that the control API refuses: what is wrong, where, and what to do. */
export class ControlError extends Error {
  readonly status: number;
  readonly what: string;
  readonly where: string;
  readonly do: string;

  constructor(status: number, problem: { what: string; where: string; do: string }) {
    super(`${problem.where}: ${problem.what} (${problem.do})`);
    this.name = "ControlError";
    this.status = status;
    this.what = problem.what;
    this.where = problem.where;
    this.do = problem.do;
  }
}

/** A running `tokentape serve`. */
export class FakeProvider {
  readonly url: string;
  private readonly token?: string;

  constructor(url: string = "http://127.0.0.1:8089", options: { token?: string | undefined } = {}) {
    this.url = url.replace(/\/+$/, "");
    this.token = options.token;
  }

  /** A new session: a queue, rules, settings and a journal of its own. */
  async createSession(options: { id?: string; settings?: Partial<Settings> } = {}): Promise<Session> {
    return new Session(this, await this.request<SessionInfo>("POST", "/sessions", options));
  }

  /** A session that exists already. */
  async session(id: string = "default"): Promise<Session> {
    return new Session(this, await this.request<SessionInfo>("GET", `/sessions/${id}`));
  }

  /** Sends a request to a path of the control API, and reads its JSON. Throws `ControlError`; `Error` if none is there. */
  async request<T>(method: string, path: string, body?: unknown): Promise<T> {
    const headers: Record<string, string> = {};
    if (body !== undefined) headers["content-type"] = "application/json";
    if (this.token) headers["authorization"] = `Bearer ${this.token}`;
    const sent = body === undefined ? undefined : JSON.stringify(body);
    const response = await fetch(`${this.url}/_tokentape${path}`, { method, headers, body: sent }).catch((error) => {
      const cause = error.cause?.code ?? error.cause?.message ?? error.message;
      throw new Error(`no fake provider answers at ${this.url} (${cause}): start one with \`tokentape serve\``, { cause: error });
    });
    const text = await response.text();
    if (!response.ok) throw new ControlError(response.status, problem(text, this.url));
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }
}

function problem(text: string, where: string): { what: string; where: string; do: string } {
  try {
    const { error } = JSON.parse(text);
    if (typeof error.what === "string") return error;
  } catch {}
  return { what: "the answer is not one of the control API", where, do: "check that tokentape listens there" };
}

/** What one test sets up, and what happened in it. */
export class Session {
  readonly id: string;
  private readonly provider: FakeProvider;
  private readonly baseUrls: Record<string, string>;

  constructor(provider: FakeProvider, info: SessionInfo) {
    this.provider = provider;
    this.id = info.id;
    this.baseUrls = info.base_urls;
  }

  /** The base URL for clients of a wire format, such as `openai_chat` or `anthropic_messages`. */
  baseUrl(wire: string): string {
    const url = this.baseUrls[wire];
    if (url === undefined) throw new Error(`no wire format ${wire}: use one of ${Object.keys(this.baseUrls).join(", ")}`);
    return url;
  }

  /** Queues responses: each answers one request, in order. Returns the length of the queue. */
  async queue(...items: (QueueItem | Script)[]): Promise<number> {
    const given = items.map((item) =>
      typeof item === "string" || "script" in item || "tape" in item ? item : { script: item },
    );
    return (await this.request<{ queued: number }>("POST", "/queue", { items: given })).queued;
  }

  /** Adds a rule; the first one that applies answers. Returns the number of rules. */
  async addRule(rule: Rule): Promise<number> {
    return (await this.request<{ rules: number }>("POST", "/rules", rule)).rules;
  }

  /** Replaces all rules. */
  async setRules(rules: Rule[]): Promise<void> {
    await this.request("PUT", "/rules", { rules });
  }

  /** Loads a cassette below the server's cassette folders. Returns the number of its recordings. */
  async cassette(name: string): Promise<number> {
    return (await this.request<{ loaded: number }>("POST", "/cassettes", { name })).loaded;
  }

  async settings(): Promise<Settings> {
    return this.request("GET", "/settings");
  }

  /** Changes some of the settings. */
  async configure(change: Partial<Settings>): Promise<Settings> {
    return this.request("PATCH", "/settings", change);
  }

  /** The requests, oldest first; with `wait` (s), once every response has ended. */
  async journal(options: { since?: number; limit?: number; frames?: boolean; wait?: number } = {}): Promise<Entry[]> {
    const { since = 0, limit = 0, frames = false, wait = 0 } = options;
    const query = `since=${since}&limit=${limit}&frames=${Number(frames)}&wait=${wait}`;
    return (await this.request<{ entries: Entry[] }>("GET", `/journal?${query}`)).entries;
  }

  async clearJournal(): Promise<void> {
    await this.request("DELETE", "/journal");
  }

  /** What was set up and never requested. */
  async unplayed(): Promise<{ queue: number; recordings: string[]; rules: Rule[]; summary: string }> {
    return this.request("GET", "/unplayed");
  }

  /** The next stream that nobody has taken yet, in the order of the requests; `timeout` is in s. */
  async nextStream(timeout: number = 10): Promise<Stream> {
    return new Stream(this, await this.request<StreamState>("POST", "/streams/next", { timeout }));
  }

  /** The session's own clock (setting `clock`). */
  async clock(): Promise<ClockState> {
    return this.request("GET", "/clock");
  }

  /** Advances the session's own clock; resolves when all that was due was sent. */
  async advance(by: { seconds?: number; ms?: number }): Promise<ClockState> {
    return this.request("POST", "/clock/advance", by);
  }

  /** Removes the session. */
  async delete(): Promise<void> {
    await this.request("DELETE", "");
  }

  /** Sends a request to a path below the session's. */
  async request<T>(method: string, path: string, body?: unknown): Promise<T> {
    return this.provider.request<T>(method, `/sessions/${this.id}${path}`, body);
  }
}

/** A response that is being sent. Timeouts are in s. */
export class Stream {
  readonly number: number;
  private readonly session: Session;

  constructor(session: Session, state: StreamState) {
    this.session = session;
    this.number = state.number;
  }

  async state(): Promise<StreamState> {
    return this.session.request("GET", this.path(""));
  }

  /** Sends the next frames, or all up to a text. Returns the bytes that were sent, as text. */
  async step(how: { count?: number; until?: string; timeout?: number } = {}): Promise<string> {
    return this.move("/step", how);
  }

  /** Sends all that is left. Returns it as text. */
  async finish(timeout: number = 10): Promise<string> {
    return this.move("/finish", { timeout });
  }

  /** Holds a stream that runs by itself. */
  async hold(timeout: number = 10): Promise<StreamState> {
    return this.session.request("POST", this.path("/hold"), { timeout });
  }

  /** Lets a held stream run by itself. */
  async release(): Promise<StreamState> {
    return this.session.request("POST", this.path("/release"));
  }

  /** Ends the stream here: the connection is closed or reset, or the body ends. */
  async cut(how: "close" | "reset" | "end" = "close"): Promise<StreamState> {
    return this.session.request("POST", this.path("/cut"), { how });
  }

  private async move(path: string, body: object): Promise<string> {
    const { data } = await this.session.request<{ data: string }>("POST", this.path(path), body);
    const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
    return new TextDecoder().decode(bytes);
  }

  private path(path: string): string {
    return `/streams/${this.number}${path}`;
  }
}
