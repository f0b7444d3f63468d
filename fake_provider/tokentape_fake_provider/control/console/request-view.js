// One request whole: its stream, its conversation, the request itself, and why it got this answer.

import { button, h, openDialog } from "./dom.js";
import { block, chatView, missList } from "./chat-view.js";
import { clockTime, fromBase64, pretty, readJson, visibleBytes } from "./format.js";
import { announce, attempt } from "./notice.js";
import { StreamView } from "./stream-view.js";

const TABS = ["Stream", "Conversation", "Request", "Why"];

/** The view of one request; `api` is null where there is no server. */
export class RequestView {
  #entry = null;
  #tab = "Stream";

  constructor(api, { onclose, onrules, onchange }) {
    this.api = api;
    this.onrules = onrules;
    this.stream = new StreamView(api, onchange);
    this.title = h("h2");
    this.tabs = h("div", { role: "tablist", "aria-label": "parts of the request" }, TABS.map((name) =>
      h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "tab-panel", onclick: () => this.open(name) }, name)));
    this.tabs.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.open(TABS[(TABS.indexOf(this.#tab) + step + TABS.length) % TABS.length]);
      this.tabs.querySelector("[aria-selected=true]").focus();
    });
    this.panel = h("div", { role: "tabpanel", id: "tab-panel", class: "panel" });
    const saves = api && h("span", { class: "saves" },
      button("Save as rule…", () => this.saveRule()), button("Save as cassette…", () => this.saveCassette()));
    this.element = h("section", { class: "request", "aria-label": "request", hidden: true },
      h("header", {}, this.title,
        button("×", onclose, { "aria-label": "Close the request", title: "Close (key Escape)", class: "quiet" })),
      h("div", { class: "tabs" }, this.tabs, saves), this.panel);
  }

  /** Whether this request is shown. */
  shows(session, number) {
    return this.#entry?.session === session && this.#entry?.number === number;
  }

  /** Show a request whole. */
  show(entry) {
    this.#entry = entry;
    this.element.hidden = false;
    this.title.replaceChildren(h("span", { class: "method" }, entry.method), ` ${entry.path} `,
      h("small", {}, `request ${entry.number} of ${entry.session}, ${clockTime(entry.time)}`));
    this.stream.show(entry);
    this.open(this.#tab);
  }

  /** Take what the server reports of frames that left. */
  addFrames(event) {
    this.stream.addFrames(event);
    if (this.#tab === "Conversation") this.open(this.#tab);
  }

  /** Show nothing. */
  close() {
    this.#entry = null;
    this.element.hidden = true;
  }

  /** Open a tab. */
  open(name) {
    this.#tab = name;
    for (const tab of this.tabs.children) {
      const selected = tab.id === `tab-${name}`;
      tab.ariaSelected = String(selected);
      tab.tabIndex = selected ? 0 : -1;
    }
    this.panel.setAttribute("aria-labelledby", `tab-${name}`);
    const views = { Stream: () => this.stream.element, Conversation: () => chatView(this.#entry), Request: () => requestText(this.#entry), Why: () => reasons(this.#entry) };
    const view = views[name]();
    if (this.panel.firstChild !== view) this.panel.replaceChildren(view);
  }

  get #path() {
    return `/sessions/${encodeURIComponent(this.#entry.session)}/journal/${this.#entry.number}`;
  }

  async saveRule() {
    const session = encodeURIComponent(this.#entry.session);
    const found = await attempt(() => this.api.post(`${this.#path}/rule`, {}));
    if (!found) return;
    const saved = await openDialog("Save as rule", [
      h("p", { class: "hint" }, "From now on this rule answers such requests of the session. Edit it as needed."),
      h("textarea", { name: "rule", rows: 16, spellcheck: "false", "aria-label": "rule as JSON", value: pretty(found.rule) }),
    ], { action: "Add rule", check: ({ rule }) => this.api.post(`/sessions/${session}/rules`, readJson(rule)) });
    if (!saved) return;
    announce(`Saved: the session has ${saved.rules} rules.`);
    this.onrules();
  }

  async saveCassette() {
    const path = this.#path;
    const saved = await openDialog("Save as cassette", [
      h("p", { class: "hint" }, "The request and what was sent are written below the server's cassette folder. No file is overwritten."),
      h("label", {}, "name", h("input", { name: "name", required: true, placeholder: "weather.yaml" })),
    ], { action: "Write", check: (values) => this.api.post(`${path}/cassette`, values) });
    if (saved) announce(`Written to ${saved.path}.`);
  }
}

function requestText(entry) {
  const query = entry.query ? `?${entry.query}` : "";
  const body = entry.body ?? (entry.raw ? visibleBytes(fromBase64(entry.raw)) : "");
  return h("div", { class: "plain" },
    h("h3", {}, `${entry.method} ${entry.path}${query} HTTP/${entry.http_version || "1.1"}`),
    headerTable("request headers", entry.headers), h("h3", {}, "body"), block(body, "request body"),
    h("h3", {}, `response ${entry.status ?? "pending"}`),
    entry.response?.headers.length ? headerTable("response headers", entry.response.headers) : null);
}

function headerTable(label, headers) {
  return h("table", { "aria-label": label }, h("tbody", {},
    (headers ?? []).map(([name, text]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, text)))));
}

const SOURCES = {
  queue: "the next script of the session's queue", rule: "the first rule that applies", recording: "a recording of the same request",
  synthetic: "the simulated model, because nothing else answers it", models: "the list of models", stored: "what an earlier request left behind",
  fault: "a fault, instead of a response", error: "an error",
};

function reasons(entry) {
  const rows = [
    ["answered by", SOURCES[entry.answered_by] ?? "nothing yet"],
    ["source", entry.source],
    ["note", entry.note],
    ["faults", (entry.faults ?? []).join("\n")],
    ["ignored as volatile", (entry.normalised ?? []).join("\n")],
  ].filter(([, text]) => text);
  return h("div", { class: "plain" },
    h("table", {}, h("tbody", {}, rows.map(([name, text]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, text))))),
    entry.misses?.length ? missList(entry.misses) : null);
}
