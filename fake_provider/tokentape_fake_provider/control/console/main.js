// The console: the list of requests, one request whole, and a session, kept up to date by the server's events.

import { Api } from "./api.js";
import { button, choice, h, oncePerFrame, openDialog, preference } from "./dom.js";
import { clockTime, counted, duration } from "./format.js";
import { announce, attempt, noticeRegions, reportError } from "./notice.js";
import { ANSWERED_BY, matcher, OUTCOMES, Requests, shownOutcome, STATUSES } from "./requests.js";
import { RequestView } from "./request-view.js";
import { SessionView } from "./session-view.js";
import { setText } from "./virtual-grid.js";

const RETRY_MS = 1000;
const READ_AGAIN_MS = 120;
const COLUMNS = [
  ["number", "#", "number of the request in its session"],
  ["when", "time"],
  ["of", "session"],
  ["path grow", "request"],
  ["model", "model"],
  ["wire", "wire"],
  ["by", "answered by"],
  ["code", "status"],
  ["outcome", "outcome"],
  ["sent", "frames", "frames sent, of those that are planned"],
  ["first", "first frame", "from the request to the first frame"],
  ["total", "total", "from the request to the end"],
];
const SHORTCUTS = [
  ["↑ ↓", "select a request or a frame"], ["h", "hold, or release"], ["s", "step: send the next frame"],
  ["e", "send up to the next event of another kind"], ["u", "send until a text"], ["f", "inject a fault"], ["x", "cut here"],
  ["- +", "slower, faster"], ["n", "hold new streams"], ["/", "search"], ["r", "list of requests"], ["Escape", "close the request"], ["?", "this list"],
];

const embedded = document.getElementById("tokentape-report");
const api = embedded ? null : new Api();
const requests = new Requests();
const sessions = new Map();
let selectedKey = null;
let openRow = null;

const list = h("virtual-grid", { class: "requests" }).setup({ label: "requests", columns: COLUMNS, fill: fillRow });
const requestView = new RequestView(api, { onclose: closeRequest, onrules: () => showSession(), onchange: () => openRow && refreshRequest(openRow) });
const sessionView = api && new SessionView(api, { onchange: () => readSessions() });
const search = h("input", { type: "search", placeholder: "Filter by text", "aria-label": "filter by text" });
const sessionChoice = choice("session", [["", "All sessions"]]);
const filters = {
  wire: choice("wire format", [["", "any wire"]]),
  by: choice("answered by", [["", "any answer"], ...ANSWERED_BY]),
  status: choice("status", [["", "any status"], ...STATUSES]),
  outcome: choice("outcome", [["", "any outcome"], ...OUTCOMES.map((name) => [name, name.replace("_", " ")])]),
};
const count = h("span", { class: "count" });
const connection = h("span", { class: "connection" });
const holdNew = h("input", { type: "checkbox", role: "switch", onchange: () => setHold(holdNew.checked) });
const THEMES = { system: "light dark", light: "light", dark: "dark" };
const themeButton = button("◐", () => applyTheme(nextTheme()), { class: "quiet" });
const views = h("nav", { "aria-label": "views" },
  button("Requests", () => showView("requests"), { "aria-current": "page" }), button("Session", () => showView("session")));
const filterBar = h("div", { class: "filters", role: "search" }, search, ...Object.values(filters),
  button("Clear filters", clearFilters, { class: "quiet" }), count);
const welcome = h("p", { class: "welcome" });
const splitter = h("div", { class: "splitter", role: "separator", tabindex: "0", "aria-orientation": "vertical", "aria-label": "width of the list", "aria-valuenow": "40", "aria-valuemin": "15", "aria-valuemax": "80", hidden: true });
const main = h("main", { class: "view" }, h("section", { class: "list", "aria-label": "list of requests" }, filterBar, list, welcome),
  splitter, requestView.element, sessionView?.element);

function fillRow(cells, index, row) {
  const request = requests.visible[index];
  const outcome = shownOutcome(request);
  const texts = [request.number, clockTime(request.time), request.session, null, request.model, request.wire,
    sourceText(request), request.status ?? "…", outcome.replace("_", " "),
    `${request.frames_sent}/${request.frames_planned}`, duration(request.first_frame), duration(request.ended)];
  texts.forEach((text, column) => text !== null && setText(cells[column], text));
  if (!cells[3].firstChild) cells[3].append(h("span", { class: "mono" }), h("span", { class: "preview" }));
  setText(cells[3].firstChild, request.path);
  setText(cells[3].lastChild, request.preview);
  row.classList.add(`is-${outcome}`);
  row.classList.toggle("failed", request.status >= 400);
}

function sourceText({ answered_by: by, source }) {
  return source && by && !source.startsWith(by) ? `${by} ${source}` : source || by;
}

const redraw = oncePerFrame(() => {
  const { rows, visible } = requests;
  list.update(visible.length, { follow: true, selected: visible.findIndex((row) => row.key === selectedKey) });
  count.textContent = visible.length === rows.length ? counted(rows.length, "request")
    : `${visible.length.toLocaleString("en")} of ${counted(rows.length, "request")}`;
  welcome.hidden = rows.length > 0;
});

function applyFilter() {
  const chosen = Object.fromEntries(Object.entries(filters).map(([name, select]) => [name, select.value]));
  requests.filter(matcher({ session: sessionChoice.value, text: search.value, ...chosen }));
  redraw();
}

function clearFilters() {
  for (const select of Object.values(filters)) select.value = "";
  search.value = "";
  applyFilter();
}

function nextTheme() {
  const names = Object.keys(THEMES);
  return names[(names.indexOf(preference("theme") ?? "system") + 1) % names.length];
}

function applyTheme(name) {
  document.documentElement.style.colorScheme = THEMES[name] ?? THEMES.system;
  preference("theme", name);
  themeButton.title = themeButton.ariaLabel = `Theme: ${name}`;
}

// The selected request.

async function openRequest(row) {
  selectedKey = row.key;
  const entry = embedded ? row.whole : await attempt(() => api.get(`/sessions/${encodeURIComponent(row.session)}/journal/${row.number}`));
  if (!entry || selectedKey !== row.key) return;
  openRow = row;
  requestView.show(entry);
  document.body.classList.add("detail");
  splitter.hidden = false;
}

function closeRequest() {
  selectedKey = openRow = null;
  requestView.close();
  document.body.classList.remove("detail");
  splitter.hidden = true;
  redraw();
  list.focus();
}

let readAgain = null;

function refreshRequest(row) {
  if (row.key !== selectedKey || readAgain) return;
  readAgain = setTimeout(() => {
    readAgain = null;
    if (row.key === selectedKey) openRequest(row);
  }, READ_AGAIN_MS);
}

// Sessions.

let sessionReads = 0;
let holding = null;

async function readSessions() {
  const read = ++sessionReads;
  await holding;
  const found = await attempt(() => api.get("/sessions"));
  if (!found || read !== sessionReads) return;  // what was read later, or changed here since, is newer
  sessions.clear();
  for (const session of found.sessions) sessions.set(session.id, session);
  drawSessions();
}

function drawSessions() {
  const chosen = sessionChoice.value;
  sessionChoice.replaceChildren(h("option", { value: "" }, "All sessions"), ...[...sessions.keys()].map((id) => h("option", { value: id }, id)));
  sessionChoice.value = sessions.has(chosen) ? chosen : "";
  if (sessionChoice.value !== chosen) applyFilter();
  document.body.classList.toggle("one-session", sessionChoice.value !== "" || sessions.size < 2);
  const session = sessions.get(chosenSession());
  holdNew.checked = session ? Boolean(session.settings.hold) : false;
  const url = session?.base_urls.openai_chat.replace("/s/default/", "/") ?? "";
  welcome.replaceChildren(h("strong", {}, "No requests yet."), " Point a client to ", h("code", {}, url),
    " and they appear here, or ", h("a", { href: `console/chat.html?session=${chosenSession()}`, target: "chat" }, "open a chat to try"), ".");
  if (sessionView && !sessionView.element.hidden) showSession();
}

function chosenSession() {
  return sessionChoice.value || (sessions.has("default") ? "default" : [...sessions.keys()][0]) || "default";
}

function showSession() {
  return sessionView.element.hidden ? null : attempt(() => sessionView.show(chosenSession()));
}

async function setHold(on) {
  const id = chosenSession();
  sessionReads++;
  holding = attempt(() => api.patch(`/sessions/${encodeURIComponent(id)}/settings`, { hold: on }));
  const changed = await holding;
  if (changed) announce(on ? `New streams of session ${id} begin held.` : `New streams of session ${id} run by themselves.`);
  await readSessions();
}

function showView(name) {
  for (const tab of views.children) {
    if (tab.textContent.toLowerCase() === name) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  document.body.classList.toggle("session-view", name === "session");
  sessionView.element.hidden = name !== "session";
  showSession();
}

// Events of the server.

function receive(kind, data) {
  switch (kind) {
    case "request":
    case "entry": {
      const row = requests.put(data);
      if (!sessions.has(row.session)) readSessions();
      if (row.wire && ![...filters.wire.options].some((option) => option.value === row.wire)) filters.wire.append(h("option", { value: row.wire }, row.wire));
      if (kind === "entry") refreshRequest(row);
      break;
    }
    case "frames": {
      const row = requests.find(data.session, data.number);
      if (!row) return;
      row.frames_sent = data.from + data.frames.length;
      row.first_frame ??= data.frames[0]?.left;
      if (requestView.shows(data.session, data.number)) requestView.addFrames(data);
      break;
    }
    case "stream": {
      const row = requests.find(data.session, data.number);
      if (!row) return;
      row.held = data.held;
      if (requestView.shows(data.session, data.number)) requestView.stream.setState(data);
      break;
    }
    case "session":
      if (data.deleted || data.requests === 0) requests.clear(data.id);
      if (openRow && !requests.find(openRow.session, openRow.number)) closeRequest();
      readSessions();
      break;
    case "reload":
      if (data.ok) announce(`Reloaded ${data.files.join(", ")}: ${data.message}.`);
      else reportError(new Error(`${data.files.join(", ")} can't be used: what was served before is still served\n${data.message}`));
      readSessions();
      break;
  }
  redraw();
}

async function readAll() {
  const { sessions: found } = await api.get("/sessions");
  const journals = await Promise.all(found.map(({ id }) => api.get(`/sessions/${encodeURIComponent(id)}/journal?bodies=0`)));
  sessions.clear();
  for (const session of found) sessions.set(session.id, session);
  requests.clear();
  for (const { entries } of journals) for (const entry of entries) receive("request", entry);
  requests.sort();
  drawSessions();
  if (openRow && !requests.find(openRow.session, openRow.number)) closeRequest();
  redraw();
}

/** Follow the server's events: read the lists when the feed is open, then what came meanwhile, then what comes. */
async function follow() {
  for (;;) {
    const connected = new AbortController();
    let early = null;
    const readLists = async () => {
      early = [];
      try {
        await readAll();
        const meanwhile = early;
        early = null;
        for (const [kind, data] of meanwhile) receive(kind, data);
        showConnection(true);
      } catch (error) {
        connected.abort(error);
      }
    };
    const take = (kind, data) => {
      if (kind === "gap") connected.abort();  // and begin again
      else if (early) early.push([kind, data]);
      else receive(kind, data);
    };
    try {
      await api.events(readLists, take, connected.signal);
    } catch (error) {
      if (error.status === 401) await askToken(error);
      else if (error.name !== "AbortError" && !connection.classList.contains("lost")) reportError(error);
    }
    showConnection(false);
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

function showConnection(open) {
  connection.textContent = open ? "live" : "disconnected";
  connection.classList.toggle("lost", !open);
}

async function askToken(error) {
  const values = await openDialog("The server has a token", [h("p", { class: "hint" }, error.message),
    h("label", {}, "token", h("input", { name: "token", type: "password", required: true, autocomplete: "off" }))], { action: "Use it" });
  if (values) api.token = values.token;
}

// Keys.

const keysOn = h("input", { type: "checkbox", checked: preference("keys") !== "off", onchange: () => preference("keys", keysOn.checked ? "on" : "off") });

function showHelp() {
  const rows = SHORTCUTS.map(([key, meaning]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, meaning)));
  return openDialog("Keys", [h("dl", { class: "shortcuts" }, rows), h("label", { class: "check" }, keysOn, "single keys are on")], { action: null });
}

const KEYS = {
  "?": showHelp, "/": () => search.focus(), r: () => list.focus(), n: () => api && holdNew.click(), Escape: () => selectedKey && closeRequest(),
};
const STREAM_KEYS = {
  h: "toggleHold", s: "step", e: "nextEvent", u: "stepUntil", f: "injectFault", x: "cut", "-": "changeSpeed", "+": "changeSpeed",
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.closest("input:not([type=checkbox]), textarea, select");
  if (event.key === "Escape" && typing) return typing.blur();
  if (typing || (!keysOn.checked && event.key !== "Escape" && event.key !== "?")) return;
  const { stream } = requestView;
  const method = openRow && !stream.control.hidden ? STREAM_KEYS[event.key] : undefined;
  const action = method ? () => (method === "changeSpeed" ? stream.changeSpeed(event.key === "+" ? 2 : 0.5) : stream[method]()) : KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

// The width of the list, by pointer and keyboard.

function setSplit(share) {
  const percent = Math.round(Math.min(80, Math.max(15, share)));
  main.style.setProperty("--list", `${percent}%`);
  splitter.ariaValueNow = String(percent);
}

splitter.addEventListener("pointermove", (event) => {
  if (splitter.hasPointerCapture(event.pointerId)) setSplit((event.clientX / main.clientWidth) * 100);
});
splitter.addEventListener("pointerdown", (event) => splitter.setPointerCapture(event.pointerId));
splitter.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -4, ArrowRight: 4 }[event.key];
  if (step) setSplit((splitter.offsetLeft / main.clientWidth) * 100 + step);
});

// The start.

function showEmbedded({ test, sessions: shown, journals }) {
  document.title = `${test.name}: ${test.outcome}`;
  for (const session of shown) sessions.set(session.id, session);
  for (const { entries } of Object.values(journals)) for (const entry of entries) receive("request", { ...entry, whole: entry });
  requests.sort();
  drawSessions();
  connection.replaceWith(h("strong", { class: "test" }, document.title));
  if (test.error) noticeRegions.prepend(h("details", { class: "failure", open: true }, h("summary", {}, "error of the test"), h("pre", { tabindex: "0" }, test.error)));
  if (requests.rows.length) openRequest(requests.rows[0]);
}

list.addEventListener("choose", (event) => openRequest(requests.visible[event.detail]));
search.addEventListener("input", applyFilter);
sessionChoice.addEventListener("change", () => { drawSessions(); applyFilter(); });
for (const select of Object.values(filters)) select.addEventListener("change", applyFilter);
document.addEventListener("keydown", onKey);
applyTheme(preference("theme") ?? "system");
document.body.append(
  h("header", { class: "bar" }, h("h1", {}, "tokentape"), api && views, sessionChoice, api && h("label", { class: "check" }, holdNew, "Hold new streams"),
    connection, themeButton, button("?", showHelp, { "aria-label": "Keys", title: "Keys (?)", class: "quiet" })),
  main, noticeRegions);
if (embedded) showEmbedded(JSON.parse(embedded.textContent));
else follow();
