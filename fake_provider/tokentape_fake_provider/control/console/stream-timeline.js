// Draws a stream over time: when each frame was due, when it left, and how late that was.

import { svg } from "./dom.js";
import { duration } from "./format.js";

const HEIGHT = 92;
const LEFT_EDGE = 44;
const RIGHT_EDGE = 14;
const DUE_Y = 14;
const LEFT_Y = 42;
const AXIS_Y = 72;
/** Lateness in ms from which a frame is drawn as late. */
export const LATE_MS = 5;

/** `<stream-timeline>`: fires `choose` with the index of the frame nearest to the pointer. */
export class StreamTimeline extends HTMLElement {
  #entry = null;
  #selected = -1;
  #scale = (ms) => ms;

  connectedCallback() {
    new ResizeObserver(() => this.#draw()).observe(this);
    this.addEventListener("click", (event) => {
      const frame = this.#nearest(event.clientX - this.getBoundingClientRect().left);
      if (frame) this.dispatchEvent(new CustomEvent("choose", { detail: frame.index }));
    });
  }

  /** Draw the frames of a request. */
  show(entry, selected) {
    this.#entry = entry;
    this.#selected = selected;
    this.#draw();
  }

  #draw() {
    const width = this.clientWidth;
    if (!this.#entry || !width) return;
    const { frames, started, ended } = this.#entry;
    const timed = frames.some((frame) => frame.at > 0);
    const end = frames.reduce((most, { at, left }) => Math.max(most, at, left ?? 0), Math.max(1, started ?? 0, ended ?? 0));
    this.#scale = (ms) => LEFT_EDGE + (ms / end) * (width - LEFT_EDGE - RIGHT_EDGE);
    const [due, left, late] = [[], [], []];
    let [duePixel, leftPixel] = [-1, -1];
    for (const frame of frames) {
      const [dueX, leftX] = [this.#scale(frame.at), frame.left === null ? null : this.#scale(frame.left)];
      const newDue = timed && Math.abs(dueX - duePixel) >= 0.75;
      if (newDue) due.push(mark((duePixel = dueX), DUE_Y));
      if (leftX === null) continue;
      const isLate = timed && frame.left - frame.at >= LATE_MS;
      if (isLate && newDue) late.push(`M${dueX.toFixed(1)} ${DUE_Y + 14}L${leftX.toFixed(1)} ${LEFT_Y}`);
      if (Math.abs(leftX - leftPixel) >= 0.75) (isLate ? late : left).push(mark((leftPixel = leftX), LEFT_Y));
    }
    const drawing = svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img" },
      svg("title", {}, document.createTextNode(this.#summary(end))),
      ...axis(end, width, this.#scale),
      path("due", due), path("left", left), path("late", late));
    if (started !== null && started !== undefined) drawing.append(line("headers", this.#scale(started)));
    if (ended !== null && ended !== undefined) drawing.append(line("ended", this.#scale(ended)));
    const chosen = frames[this.#selected];
    if (chosen) drawing.append(line("chosen", this.#scale(chosen.left ?? chosen.at)));
    if (timed) drawing.append(caption("due", DUE_Y + 11));
    drawing.append(caption("left", LEFT_Y + 11));
    this.replaceChildren(drawing);
  }

  #summary(end) {
    const { frames } = this.#entry;
    const sent = frames.filter((frame) => frame.left !== null);
    const late = sent.filter((frame) => frame.at > 0 && frame.left - frame.at >= LATE_MS).length;
    return `${sent.length} of ${frames.length} frames sent in ${duration(end)}; ${late} late by ${LATE_MS} ms or more`;
  }

  #nearest(x) {
    let [found, least] = [null, Infinity];
    for (const frame of this.#entry?.frames ?? []) {
      const distance = Math.abs(this.#scale(frame.left ?? frame.at) - x);
      if (distance < least) [found, least] = [frame, distance];
    }
    return found;
  }
}

function mark(x, y) {
  return `M${x.toFixed(1)} ${y}v14`;
}

function path(name, parts) {
  return svg("path", { class: name, d: parts.join("") });
}

function line(name, x) {
  return svg("path", { class: name, d: `M${x.toFixed(1)} ${DUE_Y - 8}V${AXIS_Y}` });
}

function caption(text, y) {
  return svg("text", { class: "caption", x: RIGHT_EDGE, y }, document.createTextNode(text));
}

function axis(end, width, scale) {
  const parts = [svg("path", { class: "axis", d: `M${LEFT_EDGE} ${AXIS_Y}H${width - RIGHT_EDGE}` })];
  const step = niceStep(end / Math.max(2, width / 110));
  for (let time = 0; time <= end; time += step) {
    const x = scale(time);
    parts.push(svg("path", { class: "axis", d: `M${x.toFixed(1)} ${AXIS_Y}v4` }));
    const anchor = time === 0 ? "start" : x > width - 40 ? "end" : "middle";
    const text = end >= 2000 ? `${+(time / 1000).toFixed(2)} s` : `${+time.toFixed(2)} ms`;
    parts.push(svg("text", { x: x.toFixed(1), y: AXIS_Y + 16, "text-anchor": anchor }, document.createTextNode(text)));
  }
  return parts;
}

function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * [1, 2, 5, 10].find((factor) => power * factor >= least);
}

customElements.define("stream-timeline", StreamTimeline);
