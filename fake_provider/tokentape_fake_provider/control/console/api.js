// The control API: requests with the token, errors in words, and the feed of events.

/** An error of the control API: what was wrong, where, and what to do. */
export class ApiError extends Error {
  constructor(status, { what, where = "", do: remedy = "" }) {
    super([what, where && `at ${where}`, remedy && `→ ${remedy}`].filter(Boolean).join("\n"));
    Object.assign(this, { name: "ApiError", status, what, where, remedy });
  }
}

const TOKEN = "tokentape-token";

/** Sends requests to the control API of the server that served this page. */
export class Api {
  constructor(base = "/_tokentape") {
    this.base = base;
    const given = new URLSearchParams(location.hash.slice(1)).get("token");
    if (given) {
      this.token = given;
      history.replaceState(null, "", location.pathname + location.search);
    }
  }

  get token() {
    return sessionStorage.getItem(TOKEN);
  }

  set token(value) {
    sessionStorage.setItem(TOKEN, value);
  }

  get(path) {
    return this.#json("GET", path);
  }

  post(path, body = {}) {
    return this.#json("POST", path, body);
  }

  put(path, body) {
    return this.#json("PUT", path, body);
  }

  patch(path, body) {
    return this.#json("PATCH", path, body);
  }

  delete(path) {
    return this.#json("DELETE", path);
  }

  /** Call `receive(kind, data)` for each event until the connection ends or is aborted; call `begin` when it is open. */
  async events(begin, receive, signal) {
    const response = await this.#fetch("GET", "/events", undefined, signal);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    begin();
    let rest = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const blocks = (rest + part.value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: ?(.*)/s, 2)));
        if (fields.data !== undefined) receive(fields.event, JSON.parse(fields.data));
      }
    }
  }

  async #json(method, path, body) {
    const response = await this.#fetch(method, path, body);
    return response.status === 204 ? null : response.json();
  }

  async #fetch(method, path, body, signal) {
    const headers = this.token ? { authorization: `Bearer ${this.token}` } : {};
    if (body !== undefined) headers["content-type"] = "application/json";
    let response;
    try {
      response = await fetch(this.base + path, { method, headers, signal, body: body && JSON.stringify(body) });
    } catch {
      throw new ApiError(0, { what: "the server does not answer", do: "see whether tokentape serve still runs" });
    }
    if (response.ok) return response;
    const text = await response.text();
    let error = { what: `the server answered ${response.status}`, where: `${method} ${path}` };
    try {
      error = JSON.parse(text).error;
    } catch { /* not one of the control API's errors */ }
    throw new ApiError(response.status, error);
  }
}
