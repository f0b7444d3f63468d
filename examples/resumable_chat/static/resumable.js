// Reads a resumable response of tokentape: after a break it goes on behind the last event that it received.

class Refused extends Error {}

/** Yields {id, type, data} of each event up to the last one, `done` or `error`. `init` is the request that starts the
 *  response; it is repeated until the first event has come, so the server must not start the same response twice. */
export async function* readEvents(url, { init = {}, signal, firstDelay = 250, longestDelay = 10_000 } = {}) {
  let lastId = "";
  for (let delay = firstDelay; ; delay = Math.min(delay * 2, longestDelay)) {
    try {
      const headers = { "Last-Event-ID": lastId };
      const response = await fetch(url, { cache: "no-store", signal, ...(lastId ? { headers } : init) });
      if (response.status === 204) return;
      if (response.ok) {
        const type = response.headers.get("content-type") ?? "none";
        if (!type.startsWith("text/event-stream")) throw new Refused(`no event stream, but content type ${type}`);
        for await (const event of parse(response.body)) {
          if (!event.id) continue; // this connection can't go on
          lastId = event.id;
          delay = firstDelay / 2;
          yield event;
          if (event.type === "done" || event.type === "error") return;
        }
      } else if (response.status < 500 && response.status !== 429) throw new Refused(await response.text());
    } catch (error) {
      if (error instanceof Refused || signal?.aborted) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, delay * (0.5 + Math.random() / 2)));
  }
}

async function* parse(body) {
  const reader = body.getReader(), decoder = new TextDecoder(); // a pipe would lose what it holds at a break
  let text = "";
  try {
    for (let read; !(read = await reader.read()).done; ) {
      const events = (text + decoder.decode(read.value, { stream: true })).split("\n\n");
      text = events.pop();
      for (const event of events) {
        const field = (name) => event.match(new RegExp(`^${name}: (.*)$`, "m"))?.[1];
        const [id, type = "message", data] = ["id", "event", "data"].map(field);
        if (data) yield { id, type, data: JSON.parse(data) };
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** One answer at a time; its id is kept in the tab, so that `resume()` after a reload goes on with it. */
export const chat = {
  get url() { return sessionStorage.chat; },
  send(path, prompt) {
    sessionStorage.chat = `${path}/${crypto.randomUUID()}`;
    const headers = { "content-type": "application/json" };
    return readEvents(this.url, { init: { method: "POST", headers, body: JSON.stringify({ prompt }) } });
  },
  async *resume() { if (this.url) yield* readEvents(this.url); },
  stop() { return fetch(this.url, { method: "DELETE" }); },
};
