// Tells people what an action did, and shows errors in words. Only actions are announced, not what streams do.

import { button, h } from "./dom.js";

const status = h("p", { role: "status", class: "status" });
const errors = h("div", { role: "alert", class: "errors" });

/** The regions that are written here; they stand in the document from the start. */
export const noticeRegions = h("footer", { class: "notices" }, errors, status);

/** Announce what an action did. */
export function announce(text) {
  status.textContent = text;
  errors.replaceChildren();
}

/** Show an error: what was wrong, where, and what to do. */
export function reportError(error) {
  const lines = error.message.split("\n").map((line, index) => h(index ? "p" : "strong", {}, line));
  errors.replaceChildren(h("div", { class: "error" }, h("div", {}, ...lines),
    button("Dismiss", () => errors.replaceChildren())));
}

/** Run an action; show its error instead of raising it. */
export async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    reportError(error);
    return null;
  }
}
