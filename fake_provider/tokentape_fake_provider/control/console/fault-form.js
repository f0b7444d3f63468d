// Chooses a fault and its parameters, and writes its specification.

import { choice, h } from "./dom.js";

/** A form for a fault of the catalogue (`GET /faults`); `specification()` is the one that was chosen. */
export function faultForm(catalogue) {
  const meaning = h("p", { class: "hint" });
  const fields = h("div", { class: "fields" });
  const preview = h("code", { class: "specification" });
  const select = choice("fault", catalogue.map((fault) => fault.name));

  function specification() {
    const given = [...fields.querySelectorAll("input")].filter((input) => input.value.trim());
    const options = given.map((input) => `${input.name}=${quoted(input.value.trim())}`);
    return options.length ? `${select.value}@${options.join(",")}` : select.value;
  }

  function show() {
    const fault = catalogue.find((known) => known.name === select.value);
    meaning.textContent = fault.meaning;
    fields.replaceChildren(...fault.parameters.map(({ name, meaning: explained, default: usual }) => h("div", {},
      h("label", {}, name, h("input", { name, placeholder: shownDefault(usual), "aria-describedby": `meaning-${name}` })),
      h("small", { id: `meaning-${name}` }, explained))));
    preview.textContent = specification();
  }

  select.addEventListener("change", show);
  fields.addEventListener("input", () => { preview.textContent = specification(); });
  show();
  return { element: h("div", { class: "fault-form" }, select, meaning, fields, preview), specification };
}

function shownDefault(value) {
  return value === null || value === undefined ? "" : String(value);
}

function quoted(value) {
  return /[,"]/.test(value) ? JSON.stringify(value) : value;
}
