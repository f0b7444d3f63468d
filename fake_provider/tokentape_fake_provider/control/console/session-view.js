// One session: its base URLs, timing, faults, queue and rules.

import { button, choice, h, openDialog } from "./dom.js";
import { faultForm } from "./fault-form.js";
import { counted, pretty, readJson } from "./format.js";
import { announce, attempt } from "./notice.js";

const TIMINGS = [
  ["instant", "instant"],
  ["recorded", "recorded"],
  ["synthetic:ttft=300ms,tps=30,jitter=0.2", "synthetic, 30 tokens/s"],
  ["synthetic:ttft=1s,tps=5", "synthetic, 5 tokens/s"],
  ["stepped", "stepped"],
];

/** The view of one session's settings, queue and rules. */
export class SessionView {
  #session = null;

  constructor(api, { onchange }) {
    this.api = api;
    this.onchange = onchange;
    // What a person writes stays, though the rest is drawn again when the session changes.
    this.timing = h("input", { "aria-label": "timing", class: "mono", spellcheck: "false" });
    this.script = h("textarea", { rows: 3, "aria-label": "script to push", placeholder: "The text of the next answer, or a queue item as JSON" });
    this.element = h("section", { class: "session", "aria-label": "settings of the session", hidden: true });
  }

  get #path() {
    return `/sessions/${encodeURIComponent(this.#session)}`;
  }

  /** Show a session; read it again. */
  async show(id) {
    this.#session = id;
    this.element.hidden = false;
    const path = this.#path;
    const [shown, rules, queue] = await Promise.all([
      this.api.get(path), this.api.get(`${path}/rules`), this.api.get(`${path}/queue`)]);
    if (this.#session !== id) return;
    const focused = this.element.contains(document.activeElement) ? document.activeElement : null;
    if (focused !== this.timing) this.timing.value = timingText(shown.settings.timing);
    this.element.replaceChildren(
      h("header", {}, h("h2", {}, `Session ${id}`),
        button("Forget its requests", () => this.#change(() => this.api.delete(`${path}/journal`), "The journal is empty.")),
        id === "default" ? null : button("Delete session…", () => this.#delete(id), { class: "danger" })),
      h("div", { class: "cards" },
        this.#timingCard(shown.settings), this.#faultCard(shown.settings.faults), this.#ruleCard(rules),
        this.#queueCard(queue.items), urlCard(shown.base_urls)));
    if (focused) refocus(this.element, focused);
  }

  async #change(action, done) {
    const changed = await attempt(async () => (await action()) ?? true);
    if (!changed) return;
    announce(done);
    this.onchange();
  }

  async #delete(id) {
    const sure = await openDialog(`Delete session ${id}?`, h("p", {}, "Its requests, rules and queue are lost."), { action: "Delete" });
    if (sure) await this.#change(() => this.api.delete(this.#path), "Deleted.");
  }

  #patch(change, done) {
    return this.#change(() => this.api.patch(`${this.#path}/settings`, change), done);
  }

  #timingCard(settings) {
    const text = this.timing;
    const presets = choice("common timings", [["", "common timings…"], ...TIMINGS], {
      onchange: () => { if (presets.value) text.value = presets.value; },
    });
    const apply = () => this.#patch({ timing: asTiming(text.value) }, `New streams have the timing ${text.value}.`);
    text.onkeydown = (event) => event.key === "Enter" && apply();
    const strict = h("input", { type: "checkbox", checked: settings.strict, onchange: () =>
      this.#patch({ strict: strict.checked }, strict.checked ? "Unmatched requests are refused." : "The simulated model answers unmatched requests.") });
    return panelCard("Timing of new streams", h("div", { class: "line" }, text, presets, button("Set", apply, { class: "primary" })),
      h("label", { class: "check" }, strict, "strict: refuse what no script, rule or recording answers"));
  }

  #faultCard(faults) {
    const set = (changed, done) => this.#patch({ faults: changed }, done);
    const items = faults.map((fault, index) => h("li", {}, h("div", { class: "line" }, h("code", { class: "clip" }, faultText(fault)),
      button("Remove", () => set(faults.filter((_, other) => other !== index), "Removed."), { "aria-label": `Remove ${faultText(fault)}` }))));
    const add = async () => {
      const catalogue = await attempt(() => this.api.get("/faults"));
      if (!catalogue) return;
      const form = faultForm(catalogue.faults);
      await openDialog("Add a fault to every response", form.element, { action: "Add", check: async () => {
        await this.api.patch(`${this.#path}/settings`, { faults: [...faults, form.specification()] });
        announce(`Added ${form.specification()}.`);
        this.onchange();
        return true;
      } });
    };
    return panelCard("Faults of every response", items.length ? h("ul", { class: "items" }, items) : empty("No faults."),
      button("Add a fault…", add));
  }

  #queueCard(items) {
    const push = () => {
      const given = this.script.value.trim();
      if (given) this.#change(async () => {
        await this.api.post(`${this.#path}/queue`, { items: [asItem(given)] });
        this.script.value = "";
      }, "Pushed: it answers the next request.");
    };
    const list = items.map((item, index) => h("li", {}, h("div", { class: "line" }, h("code", { class: "clip" }, itemText(item)),
      button("Remove", () => this.#change(
        () => this.api.put(`${this.#path}/queue`, { items: items.filter((_, other) => other !== index) }), "Removed."), { "aria-label": `Remove item ${index + 1}` }))));
    return panelCard(`Queue (${counted(items.length, "script")})`, list.length ? h("ol", { class: "items" }, list) : empty("Empty: rules, recordings or the simulated model answer."),
      this.script, button("Push script", push, { class: "primary" }));
  }

  #ruleCard({ rules, counts = [] }) {
    const put = (changed) => this.api.put(`${this.#path}/rules`, { rules: changed });
    const edit = async (index) => {
      const before = index === null ? { contains: "hello", scripts: ["Hi there."] } : rules[index];
      await openDialog(index === null ? "Add a rule" : `Edit rule ${index + 1}`,
        h("textarea", { name: "rule", rows: 16, spellcheck: "false", "aria-label": "rule as JSON", value: pretty(before) }), {
          action: "Save", check: async ({ rule }) => {
            const changed = readJson(rule);
            await put(index === null ? [...rules, changed] : rules.with(index, changed));
            announce("The rules are saved.");
            this.onchange();
            return true;
          },
        });
    };
    const list = rules.map((rule, index) => h("li", {}, h("div", { class: "line" }, h("code", { class: "clip" }, ruleText(rule)), counts[index] ? h("small", {}, `answered ${counts[index]}×`) : null,
      index > 0 && button("Up", () => this.#change(() => put(moved(rules, index)), "Moved up."), { "aria-label": `Move rule ${index + 1} up` }),
      button("Edit…", () => edit(index), { "aria-label": `Edit rule ${index + 1}` }),
      button("Remove", () => this.#change(() => put(rules.toSpliced(index, 1)), "Removed."), { "aria-label": `Remove rule ${index + 1}` }))));
    const card = panelCard(`Rules (${rules.length}), the first that applies answers`, list.length ? h("ol", { class: "items" }, list) : empty("No rules."),
      button("Add a rule…", () => edit(null)));
    card.classList.add("wide");
    return card;
  }
}

/** Focus the control that was drawn in the place of this one. */
function refocus(element, before) {
  const name = (control) => control.ariaLabel ?? control.textContent;
  const controls = [...element.querySelectorAll("button, input, textarea, select")];
  (before.isConnected ? before : controls.find((control) => name(control) === name(before)))?.focus();
}

function panelCard(title, ...content) {
  return h("section", { class: "card" }, h("h3", {}, title), ...content);
}

function empty(text) {
  return h("p", { class: "empty" }, text);
}

function urlCard(urls) {
  return panelCard("Base URLs", h("table", {}, h("tbody", {}, Object.entries(urls).map(([wire, url]) =>
    h("tr", {}, h("th", { scope: "row" }, wire), h("td", { class: "mono" }, url))))));
}

function moved(rules, index) {
  return rules.with(index - 1, rules[index]).with(index, rules[index - 1]);
}

function ruleText({ scripts = [], ...conditions }) {
  const shown = Object.entries(conditions).filter(([, held]) => held !== null && held !== undefined && held !== false && held?.length !== 0);
  const when = shown.map(([name, held]) => `${name}: ${typeof held === "string" ? held : JSON.stringify(held)}`).join(", ");
  return `${when || "every request"} → ${scripts.map(scriptText).join(" | ") || "what else answers"}`;
}

function itemText(item) {
  return typeof item === "string" ? item : item.script ? scriptText(item.script) : JSON.stringify(item);
}

function scriptText(script) {
  if (typeof script === "string") return script;
  if (script.error) return `error ${script.error.status ?? ""} ${script.error.message ?? ""}`;
  const items = (script.choices ?? []).flatMap((one) => one.items ?? []);
  return items.map((item) => item.text ?? (item.name ? `${item.name}(${item.arguments ?? ""})` : item.type)).join(" ");
}

function asItem(text) {
  return /^\s*[{"]/.test(text) ? readJson(text) : text;
}

/** A timing as the control API takes it, from the line that a person edits. */
function asTiming(text) {
  return text.trim().startsWith("{") ? readJson(text) : text.trim();
}

/** A timing as one line. */
function timingText(timing) {
  if (typeof timing === "string") return timing;
  const { type, ...options } = timing;
  if (type === "recorded") return options.speed && options.speed !== 1 ? `recorded:${options.speed}` : type;
  if (type === "stepped") return options.headers ? "stepped:headers" : type;
  if (type !== "synthetic") return Object.keys(options).length ? JSON.stringify(timing) : type;
  const names = { ttft_ms: "ttft", prefill_ms: "prefill" };
  const given = Object.entries(options).filter(([, value]) => value !== 0 && value !== null && value !== "none");
  return `synthetic:${given.map(([name, value]) => `${names[name] ?? name}=${value}${names[name] ? "ms" : ""}`).join(",")}`;
}

function faultText(fault) {
  if (typeof fault === "string") return fault;
  const { fault: name, type, ...options } = fault;
  const given = Object.entries(options).filter(([, value]) => value !== null);
  return given.length ? `${name ?? type} ${given.map(([key, value]) => `${key}=${value}`).join(", ")}` : name ?? type;
}
