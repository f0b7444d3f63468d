// Builds elements. Text from requests becomes text nodes, never markup.

/** An element with properties, attributes, listeners (`onclick`) and children; strings become text. */
export function h(name, options = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.className = value;
    else if (["value", "checked", "selected", "disabled", "open", "hidden"].includes(key)) element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An element of SVG with attributes. */
export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** A select with one option per value; a value may be `[value, text]`. */
export function choice(label, values, options = {}) {
  const select = h("select", { "aria-label": label, ...options });
  for (const value of values) {
    const [key, text] = Array.isArray(value) ? value : [value, value];
    select.append(h("option", { value: key }, text));
  }
  if (options.value !== undefined) select.value = options.value;
  return select;
}

/** A button with a text, what it does in words, and perhaps a key. */
export function button(text, onclick, { key = null, title = null, ...options } = {}) {
  const shown = key ? [text, h("kbd", { "aria-hidden": "true" }, key)] : [text];
  const hint = title && key ? `${title} (key ${key})` : title;
  return h("button", { type: "button", onclick, title: hint, "aria-keyshortcuts": key, ...options }, ...shown);
}

/** A function that runs `work` once in the next frame, however often it is called before. */
export function oncePerFrame(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      work();
    });
  };
}

/** A modal dialog with a title; resolves to the values of its form, or to null when it was left. */
export function openDialog(title, content, { action = "OK", check = null } = {}) {
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const form = h("form", { method: "dialog" }, content, problem, h("footer", {},
    action && h("button", { type: "submit", class: "primary" }, action),
    button(action ? "Cancel" : "Close", () => dialog.close())));
  const dialog = h("dialog", { "aria-label": title }, h("h2", {}, title), form);
  document.body.append(dialog);
  return new Promise((resolve) => {
    let result = null;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const values = Object.fromEntries(new FormData(form));
      try {
        result = check ? await check(values) : values;
        dialog.close();
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
      }
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(result);
    });
    dialog.showModal();
  });
}

/** What the user chose in this browser, after setting it if a value is given; a sandboxed page remembers nothing. */
export function preference(name, value) {
  try {
    if (value !== undefined) localStorage.setItem(`tokentape-${name}`, value);
    return localStorage.getItem(`tokentape-${name}`);
  } catch {
    return value ?? null;
  }
}
