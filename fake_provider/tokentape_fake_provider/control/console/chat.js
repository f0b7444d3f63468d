// A chat to try the server with: it streams chat completions by fetch, runs the tool that the answer calls, and sends
// the result back, until an answer calls no tool.

import { h } from "./dom.js";

const session = new URLSearchParams(location.search).get("session") ?? "default";
const URL_OF_CHAT = `/s/${encodeURIComponent(session)}/v1/chat/completions`;
const TOOLS = [{
  type: "function",
  function: {
    name: "get_weather", description: "The weather in a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
}];
const messages = [];
const conversation = document.querySelector("main");
const form = document.querySelector("form");

function getWeather() {
  return "9 °C and raining";
}

function bubble(role, text = "") {
  const shown = h("p", { class: "text" }, text);
  const article = h("article", { class: `message ${role}`, "aria-label": role }, h("h2", {}, role), shown);
  conversation.append(article);
  article.scrollIntoView({ block: "end" });
  return shown;
}

async function* chunks(response) {
  let rest = "";
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const events = (rest + part.value).split("\n\n");
    rest = events.pop();
    for (const event of events) if (event.startsWith("data: {")) yield JSON.parse(event.slice(6));
  }
}

async function answer() {
  const shown = bubble("assistant");
  const message = { role: "assistant", content: "" };
  let finished = false;
  try {
    const response = await fetch(URL_OF_CHAT, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${form.elements.key.value.trim() || "any"}` },
      body: JSON.stringify({ model: "gpt-4o-mini", stream: true, messages, tools: TOOLS }),
    });
    if (!response.ok) throw new Error(`${response.status}: ${(await response.json()).error.message}`);
    for await (const chunk of chunks(response)) {
      if (chunk.error) throw new Error(chunk.error.message);
      const [{ delta = {}, finish_reason: reason } = {}] = chunk.choices ?? [];
      shown.textContent += delta.content ?? "";
      message.content += delta.content ?? "";
      for (const call of delta.tool_calls ?? []) addCall(message, call);
      finished ||= Boolean(reason);
    }
    if (!finished) throw new Error("the stream ended before the answer was complete");
  } catch (error) {
    bubble("error", error.message);
    return;
  }
  messages.push(message);
  if (!message.tool_calls) return;
  for (const { id, function: called } of message.tool_calls) {
    shown.textContent += `${called.name}(${called.arguments})`;
    const content = getWeather();
    messages.push({ role: "tool", tool_call_id: id, content });
    bubble("tool", content);
  }
  await answer();
}

function addCall(message, { index, id, function: called }) {
  message.tool_calls ??= [];
  const call = (message.tool_calls[index] ??= { id, type: "function", function: { name: "", arguments: "" } });
  call.function.name += called.name ?? "";
  call.function.arguments += called.arguments ?? "";
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = form.elements.prompt;
  const prompt = input.value.trim() || input.placeholder;
  input.value = "";
  messages.push({ role: "user", content: prompt });
  bubble("user", prompt);
  await answer();
});
