// Shows a request's conversation and its answer as a chat, its tools, and near misses field by field.

import { h } from "./dom.js";
import { bytesText, pretty } from "./format.js";
import { answerParts } from "./frame-label.js";

const LONG = 100_000;

/** The conversation, the answer that was sent, and the tools that were offered. */
export function chatView(entry) {
  const messages = (entry.messages ?? []).map((message) => bubble(message.role, message.parts));
  const sent = entry.frames.filter((frame) => frame.left !== null);
  const answer = answerParts(sent);
  const state = sent.length < entry.frames.length ? `answer, ${sent.length} of ${entry.frames.length} frames` : "answer";
  return h("div", { class: "chat" },
    messages.length ? messages : h("p", { class: "empty" }, "The request has no messages that can be read."),
    answer.length ? bubble(state, answer, "answer") : null,
    entry.tools?.length ? toolList(entry.tools) : null);
}

function bubble(role, parts, kind = role) {
  return h("article", { class: `message ${kind}`, "aria-label": role },
    h("h3", {}, role), parts.map(part));
}

function part({ type, text, ...rest }) {
  switch (type) {
    case "text":
      return h("p", { class: "text" }, text);
    case "reasoning":
      return h("div", { class: "reasoning" }, h("h4", {}, "reasoning"), h("p", { class: "text" }, text));
    case "refusal":
      return h("div", { class: "reasoning" }, h("h4", {}, "refusal"), h("p", { class: "text" }, text));
    case "tool_call":
      return card("tool call", rest.name, rest.arguments);
    case "tool_result":
      return card(rest.error ? "tool error" : "tool result", rest.name || rest.id, text);
    default:
      return media(type, text, rest);
  }
}

function media(type, text, { media_type: mediaType, size, width, height, title }) {
  const facts = [type, title, mediaType, width && `${width} × ${height}`, size && bytesText(size)].filter(Boolean);
  return h("div", { class: "placeholder" }, facts.join(", "), text && h("p", { class: "text" }, text));
}

function card(kind, name, content) {
  return h("div", { class: "card" }, h("h4", {}, kind, name && h("code", {}, name)), block(readable(content)));
}

function readable(content = "") {
  try {
    return typeof content === "string" ? JSON.parse(content) : content;
  } catch {
    return content;
  }
}

function toolList(tools) {
  const items = tools.map((tool) => h("div", {}, h("dt", {}, tool.name, tool.kind === "function" ? null : ` (${tool.kind})`),
    h("dd", {}, tool.description || "no description")));
  return h("section", { class: "tools" }, h("h3", {}, `tools offered (${tools.length})`), h("dl", {}, items));
}

/** A value as preformatted text; a long one is shown in part until the rest is requested. */
export function block(value, label = null) {
  const text = pretty(value) ?? "";
  const content = h("pre", { tabindex: "0", role: label && "group", "aria-label": label }, text.slice(0, LONG));
  if (text.length <= LONG) return content;
  const more = h("button", {
    type: "button",
    onclick: () => { content.textContent = text; more.remove(); },
  }, `Show all ${bytesText(text.length)}`);
  return h("div", {}, content, more);
}

/** What came near an unmatched request, with the fields that differ. */
export function missList(misses) {
  return misses.map(({ kind, name, differences }) => h("section", { class: "miss" },
    h("h3", {}, "near miss: ", name.startsWith(kind) ? null : `${kind} `, h("code", {}, name)),
    h("table", {},
      h("thead", {}, h("tr", {}, ["field", "expected", "received"].map((title) => h("th", { scope: "col" }, title)))),
      h("tbody", {}, differences.map(({ path, expected, actual }) => h("tr", {},
        h("th", { scope: "row" }, path), value("del", expected), value("ins", actual)))))));
}

function value(kind, content) {
  return h("td", {}, content === undefined || content === null ? h("em", {}, "absent") : h(kind, {}, pretty(content)));
}
