// What all JavaScript drivers share; jobs.py says what a job and a result are.

import { createInterface } from "node:readline";

export const PROMPT = "What is the weather like?";
export const KEY = "sk-fake";
export const TOOLS = [
  {
    name: "weather",
    description: "The forecast for a city.",
    parameters: {
      type: "object",
      properties: { city: { type: "string" }, days: { type: "integer" } },
      required: ["city"],
    },
  },
  { name: "now", description: "The time.", parameters: { type: "object", properties: {} } },
];
const USAGE_FIELDS = ["input", "output", "cached", "cache_write", "reasoning"];

/** A result; what the client does not show is left out. Tool calls are pairs of name and arguments. */
export function output({ text, reasoning, toolCalls, finishReason, usage }) {
  const shown = { text, reasoning, finish_reason: finishReason };
  if (toolCalls !== undefined) {
    shown.tool_calls = toolCalls.map(([name, args]) => ({ name, arguments: args }));
  }
  for (const name of Object.keys(shown)) if (shown[name] == null) delete shown[name];
  const counts = usage && Object.fromEntries(USAGE_FIELDS.map((name) => [name, usage[name] ?? null]));
  return { ...shown, usage: counts ?? null };
}

/** The base URL to give a client; undefined without a root, so that it reads its own environment variable. */
export const below = (root, path = "") => (root ? root + path : undefined);

export function parsed(text) {
  try {
    return JSON.parse(text || "{}");
  } catch {
    return text;
  }
}

/** Answer the jobs on standard input with the function that `wires` has for their wire format. */
export async function serve(wires) {
  const print = (line) => process.stdout.write(line + "\n");
  // Clients print hints of their own; nothing but results may reach the pipe.
  for (const level of ["log", "info", "warn", "debug"]) console[level] = console.error;
  for await (const line of createInterface({ input: process.stdin })) {
    const job = { stream: false, tools: false, model: "m", ...JSON.parse(line) };
    let result;
    try {
      result = await wires[job.wire](job);
    } catch (error) {
      result = { error: `${error.name}: ${error.message}` };
    }
    print(JSON.stringify(result));
  }
}
