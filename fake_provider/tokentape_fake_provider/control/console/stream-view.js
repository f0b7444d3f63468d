// One stream: its control, its timeline, its frames, and the bytes of one frame beside what they decode to.

import { button, choice, h, oncePerFrame, openDialog } from "./dom.js";
import { faultForm } from "./fault-form.js";
import { bytesText, counted, duration, fromBase64, pretty, visibleBytes } from "./format.js";
import { framesToNextEvent, labelFrame, usageText } from "./frame-label.js";
import { announce, attempt } from "./notice.js";
import { LATE_MS } from "./stream-timeline.js";
import { setText } from "./virtual-grid.js";

const FRAME_COLUMNS = [
  ["index", "#"],
  ["time due", "due", "when the frame was due, from the request"],
  ["time", "left", "when it was written to the socket"],
  ["late", "late", "left minus due"],
  ["size", "bytes"],
  ["kind", "kind"],
  ["label grow", "content"],
];

/** The view of one stream; `api` is null where there is no server, `onchange` is called when other frames are planned. */
export class StreamView {
  #entry = null;
  #selected = -1;
  #totals = { sent: 0, size: 0, lateness: 0 };
  #state = { speed: 1, timed: true, held: false };
  #follow = true;
  #acted = Promise.resolve();
  #waiting = 0;

  constructor(api, onchange) {
    this.api = api;
    this.onchange = onchange;
    this.timeline = h("stream-timeline");
    this.grid = h("virtual-grid", { class: "frames" });
    this.grid.setup({ label: "frames of the stream", columns: FRAME_COLUMNS, fill: (cells, index, row) => this.#fill(cells, index, row), rowHeight: 24 });
    this.facts = h("dl", { class: "facts" });
    this.raw = h("pre", { tabindex: "0", role: "group", "aria-label": "raw bytes of the frame" });
    this.decoded = h("pre", { tabindex: "0", role: "group", "aria-label": "decoded messages of the frame" });
    this.bytes = h("div", { class: "bytes", hidden: true },
      h("section", {}, h("h3", {}, "raw bytes"), this.raw), h("section", {}, h("h3", {}, "decoded"), this.decoded));
    this.control = this.#controls();
    this.element = h("div", { class: "stream" }, this.control, this.facts, this.timeline, this.grid, this.bytes);
    this.timeline.addEventListener("choose", (event) => this.grid.choose(event.detail));
    this.grid.addEventListener("choose", (event) => this.#choose(event.detail));
    this.redraw = oncePerFrame(() => this.#draw());
  }

  /** Show a request whole. */
  show(entry) {
    const same = this.#entry?.session === entry.session && this.#entry?.number === entry.number;
    this.#entry = entry;
    this.#totals = { sent: 0, size: 0, lateness: 0 };
    this.#count();
    if (!same) {
      this.#selected = -1;
      this.grid.scrollTop = 0;
    }
    if (!same || !this.#waiting) this.#state = entry.stream ?? { speed: 1, timed: true, held: false };
    this.#draw();
  }

  /** Take what the server reports of frames that left. */
  addFrames({ from, frames }) {
    frames.forEach(({ at, left, size }, index) => {
      const frame = this.#entry.frames[from + index];
      if (frame) Object.assign(frame, { at, left, size, lateness: left - at });
    });
    this.#count();
    this.redraw();
  }

  /** Take the state of the stream after an action. */
  setState(state) {
    const before = this.#state;
    this.#state = state;
    if (["held", "speed", "frames"].some((name) => before[name] !== state[name])) this.onchange();
    this.#entry.outcome = state.outcome;
    this.redraw();
  }

  get #path() {
    return `/sessions/${encodeURIComponent(this.#entry.session)}/streams/${this.#entry.number}`;
  }

  #controls() {
    this.progress = h("span", { class: "progress" });
    this.until = h("input", { placeholder: "until text…", "aria-label": "send frames until this text", class: "until" });
    this.until.addEventListener("keydown", (event) => event.key === "Enter" && this.stepUntil());
    this.holdButton = button("Hold", () => this.toggleHold(), { key: "h", title: "Stop after the frames that are being sent" });
    this.speedText = h("span", { class: "speed" });
    this.speedButtons = [
      button("Slower", () => this.changeSpeed(0.5), { key: "-", title: "Half the speed" }),
      button("Faster", () => this.changeSpeed(2), { key: "+", title: "Twice the speed" }),
    ];
    this.cutHow = choice("how to cut", [["close", "close"], ["reset", "reset"], ["end", "clean end"]]);
    return h("div", { class: "controls", role: "group", "aria-label": "stream control" },
      this.holdButton,
      button("Step", () => this.step(), { key: "s", title: "Send the next frame" }),
      button("Next event", () => this.nextEvent(), { key: "e", title: "Send frames up to the next of another kind: a tool call, the finish, usage" }),
      h("span", { class: "joined" }, this.until, button("Go", () => this.stepUntil(), { "aria-label": "Go: send frames until the text" })),
      h("span", { class: "joined" },
        button("Cut", () => this.cut(), { key: "x", title: "End the connection here", class: "danger" }), this.cutHow),
      button("Stall", () => this.stall(), { title: "Send nothing more, and leave the connection open" }),
      button("Fault…", () => this.injectFault(), { key: "f", title: "Apply a fault to the frames that are not sent yet" }),
      h("span", { class: "joined" },
        ...this.speedButtons.toSpliced(1, 0, this.speedText)),
      this.progress);
  }

  /** Do one action after the other; `body` may be a function of the state that the one before left. */
  #act(action, body, describe) {
    this.#waiting++;
    this.#acted = this.#acted.then(() => this.#actNow(action, body, describe)).finally(() => this.#waiting--);
    return this.#acted;
  }

  async #actNow(action, body, describe) {
    const content = typeof body === "function" ? body() : body;
    const shown = await attempt(() => this.api.post(`${this.#path}/${action}`, content));
    if (!shown) return;
    this.setState(shown);
    if (action !== "step") this.onchange();
    announce(describe(shown));
  }

  toggleHold() {
    if (this.#state.held) this.#act("release", { catch_up: false }, () => "Released: the stream runs by itself.");
    else this.#act("hold", {}, (shown) => `Held after ${counted(shown.sent, "frame")}.`);
  }

  /** Send as many frames as `count` says, given how many were sent: the server's number, as the rows may come later. */
  step(count = () => 1) {
    let from;
    return this.#act("step", () => {
      from = this.#state.sent;
      return { count: count(from) };
    }, (shown) => {
      if (shown.over) return `The stream is over: ${shown.outcome}.`;
      const texts = this.#entry.frames.slice(from, shown.sent).map((frame) => labelFrame(frame).text);
      return `Sent ${counted(texts.length, "frame")}: ${texts.join("").slice(0, 80)}`;
    });
  }

  nextEvent() {
    this.step((sent) => framesToNextEvent(this.#entry.frames, sent));
  }

  stepUntil() {
    const text = this.until.value;
    if (text) this.#act("step", { until: text }, (shown) => `Sent up to “${text}”: ${counted(shown.sent, "frame")} in all.`);
    else this.until.focus();
  }

  cut() {
    const how = this.cutHow.value;
    this.#act("cut", { how }, () => `The connection was ${how === "reset" ? "reset" : "closed"} here.`);
  }

  stall() {
    this.#act("stall", {}, () => "Stalled: nothing more is sent, and the connection stays open.");
  }

  async injectFault() {
    const catalogue = await attempt(() => this.api.get("/faults"));
    if (!catalogue) return;
    const form = faultForm(catalogue.faults);
    const path = this.#path;
    const shown = await openDialog("Inject a fault", form.element, {
      action: "Inject",
      check: () => this.api.post(`${path}/fault`, { fault: form.specification() }),
    });
    if (!shown) return;
    this.setState(shown);
    this.onchange();
    announce(`Injected ${form.specification()}.`);
  }

  changeSpeed(by) {
    this.#act("speed", () => ({ factor: this.#state.speed * by }), ({ speed }) => `Speed ${speed}×.`);
  }

  /** Count the frames that were sent since the last count. */
  #count() {
    const { frames } = this.#entry;
    const totals = this.#totals;
    for (let frame = frames[totals.sent]; frame && frame.left !== null; frame = frames[totals.sent]) {
      totals.sent++;
      totals.size += frame.size;
      totals.lateness = Math.max(totals.lateness, frame.lateness ?? 0);
    }
  }

  #draw() {
    const entry = this.#entry;
    const { frames } = entry;
    const sent = this.#totals.sent;
    const live = Boolean(this.api) && entry.outcome === "pending";
    this.control.hidden = !live;
    this.holdButton.firstChild.textContent = this.#state.held ? "Release" : "Hold";
    for (const speed of this.speedButtons) speed.disabled = !this.#state.timed;
    this.speedText.textContent = `${this.#state.speed}×`;
    this.progress.textContent = `${sent} of ${counted(frames.length, "frame")} sent${this.#state.held ? ", held" : ""}`;
    this.#drawFacts();
    this.timeline.show(entry, this.#selected);
    const follow = this.#follow && live;
    this.grid.update(frames.length, { selected: this.#selected });
    if (follow && sent) this.grid.reveal(sent - 1);
    if (this.#selected >= 0) this.#showBytes();
  }

  #drawFacts() {
    const entry = this.#entry;
    const { sent, size, lateness } = this.#totals;
    const first = sent ? entry.frames[0].left : null;
    const planned = entry.outcome === "pending" ? "planned " : "";
    const facts = [
      ["first frame", duration(first)],
      ["total", duration(entry.ended)],
      ["frames", `${sent} of ${entry.frames.length}`],
      ["sent", bytesText(size)],
      ["max lateness", duration(lateness)],
      ["outcome", this.#state.held && entry.outcome === "pending" ? "held" : entry.outcome],
      [`${planned}finish`, entry.finish_reason ?? "–"],
      [`${planned}tokens`, usageText(entry.usage) || "–"],
    ];
    this.facts.replaceChildren(...facts.map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text))));
  }

  #fill(cells, index, row) {
    const frame = this.#entry.frames[index];
    const label = labelFrame(frame);
    const late = frame.left === null ? null : frame.left - frame.at;
    const due = frame.at || index === 0 || late !== null ? duration(frame.at) : "–";
    const texts = [index, due, duration(frame.left), late === null ? "–" : duration(late), frame.size, label.kind, label.text];
    texts.forEach((text, column) => setText(cells[column], text));
    row.classList.toggle("planned", frame.left === null);
    row.classList.toggle("is-late", late !== null && frame.at > 0 && late >= LATE_MS);
    cells[5].className = `kind is-${label.kind.replace(" ", "-")}`;
  }

  #choose(index) {
    this.#selected = index;
    this.#follow = index >= this.#totals.sent - 1;
    this.timeline.show(this.#entry, index);
    this.#showBytes();
    this.grid.reveal(index);
  }

  #showBytes() {
    const frame = this.#entry.frames[this.#selected];
    this.bytes.hidden = !frame;
    if (!frame) return;
    this.raw.textContent = frame.data === null ? "The journal has dropped these bytes to keep its limit." : visibleBytes(fromBase64(frame.data));
    const missing = frame.messages === null ? "Nothing decodes this response here." : "This frame completes no message.";
    this.decoded.textContent = [...(frame.messages ?? []).map(pretty), frame.error].filter(Boolean).join("\n\n") || missing;
  }
}
