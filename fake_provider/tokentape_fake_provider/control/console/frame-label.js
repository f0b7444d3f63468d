// Names what a frame carries, from the messages that it decodes to, and joins them to the answer.

import { fromBase64, visibleBytes } from "./format.js";

/** The kind of a frame (`text`, `reasoning`, `tool call`, `refusal`, `finish`, `usage`, `error`, `other`) and its text. */
export function labelFrame(frame) {
  frame.label ??= frame.error ? { kind: "error", text: frame.error } : labelMessages(frame.messages ?? [], frame.data);
  return frame.label;
}

function labelMessages(messages, data) {
  const joined = (pick) => messages.map((message) => pick(message) ?? "").join("");
  const finish = joined((message) => message.finish_reason);
  const texts = {
    reasoning: joined((message) => message.reasoning),
    "tool call": joined((message) => message.tool_call_deltas?.map((delta) => delta.arguments || delta.name || "").join("")),
    text: joined((message) => message.text),
    refusal: joined((message) => message.refusal),
  };
  const [kind, text] = Object.entries(texts).find(([, found]) => found) ?? [null, ""];
  if (finish) return { kind: "finish", text: text || finish };
  if (kind) return { kind, text };
  if (messages.some((message) => message.tool_calls?.length)) return { kind: "tool call", text: "" };
  const usage = messages.find((message) => message.usage)?.usage;
  if (usage) return { kind: "usage", text: usageText(usage) };
  return { kind: "other", text: data ? visibleBytes(fromBase64(data)).slice(0, 200).replaceAll("\n", " ") : "" };
}

/** The counts of tokens that were reported, as one line. */
export function usageText(usage) {
  const names = { input: "in", output: "out", cached: "cached", cache_write: "cache write", reasoning: "reasoning" };
  return Object.entries(names).filter(([name]) => usage?.[name]).map(([name, text]) => `${usage[name]} ${text}`).join(", ");
}

/** The answer that these frames add up to, as parts of a message. */
export function answerParts(frames) {
  const parts = [];
  const calls = new Map();
  const add = (type, text) => {
    if (!text) return;
    const last = parts.at(-1);
    if (last?.type === type) last.text += text;
    else parts.push({ type, text });
  };
  const callAt = (index, id) => {
    const key = id || index;
    const call = calls.get(key) ?? calls.get(index) ?? { type: "tool_call", name: "", arguments: "" };
    if (!parts.includes(call)) parts.push(call);
    calls.set(key, call).set(index, call);
    return call;
  };
  for (const message of frames.flatMap((frame) => frame.messages ?? [])) {
    add("reasoning", message.reasoning);
    add("text", message.text);
    add("refusal", message.refusal);
    for (const delta of message.tool_call_deltas ?? []) {
      const call = callAt(delta.index ?? 0, delta.id);
      call.name ||= delta.name ?? "";
      call.arguments += delta.arguments ?? "";
    }
    for (const call of message.tool_calls ?? []) {
      const known = calls.get(call.id) ?? callAt(`call ${calls.size}`, call.id);
      Object.assign(known, { name: call.name, arguments: call.valid === false ? call.raw_arguments : call.arguments ?? {} });
    }
  }
  return parts;
}

/** The number of frames up to the next one of another kind than the frame before it; at least one. */
export function framesToNextEvent(frames, sent) {
  const kind = sent > 0 ? labelFrame(frames[sent - 1]).kind : null;
  let next = sent;
  while (next < frames.length && labelFrame(frames[next]).kind === kind) next++;
  return next - sent + 1;
}
