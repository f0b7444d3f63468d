// The AI SDK with its providers of OpenAI (responses by default, and chat), Anthropic and Google.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, jsonSchema, streamText, tool } from "ai";
import { KEY, PROMPT, TOOLS, below, output, serve } from "./jobs.mjs";

const MODELS = {
  openai_responses: ({ root, model }) => createOpenAI({ baseURL: below(root, "/v1"), apiKey: KEY })(model),
  openai_chat: ({ root, model }) => createOpenAI({ baseURL: below(root, "/v1"), apiKey: KEY }).chat(model),
  anthropic_messages: ({ root, model }) => createAnthropic({ baseURL: below(root, "/v1"), apiKey: KEY })(model),
  gemini: ({ root, model }) => createGoogleGenerativeAI({ baseURL: below(root, "/v1beta"), apiKey: KEY })(model),
};
// Without an `execute`, calls are shown and not made.
const TOOLSET = Object.fromEntries(
  TOOLS.map(({ name, description, parameters }) => [name, tool({ description, inputSchema: jsonSchema(parameters) })]),
);

async function answer(job) {
  const asked = { model: MODELS[job.wire](job), prompt: PROMPT, maxRetries: 0 };
  if (job.tools) asked.tools = TOOLSET;
  if (!job.stream) return ofResult(await generateText(asked));
  let text = "";
  let failure;
  const result = streamText({ ...asked, onError: ({ error }) => (failure = error) });
  for await (const part of result.fullStream) if (part.type === "text-delta") text += part.text;
  if (failure) throw failure;
  const names = ["text", "reasoningText", "toolCalls", "finishReason", "usage"];
  const values = await Promise.all(names.map((name) => result[name]));
  const whole = Object.fromEntries(names.map((name, index) => [name, values[index]]));
  if (whole.text !== text) throw new Error(`streamed ${text}`);
  return ofResult(whole);
}

function ofResult({ text, reasoningText, toolCalls, finishReason, usage }) {
  return output({
    text,
    reasoning: reasoningText ?? "",
    toolCalls: toolCalls.map((call) => [call.toolName, call.input]),
    finishReason,
    usage: {
      input: usage.inputTokens,
      output: usage.outputTokens,
      cached: usage.inputTokenDetails?.cacheReadTokens,
      cache_write: usage.inputTokenDetails?.cacheWriteTokens,
      reasoning: usage.outputTokenDetails?.reasoningTokens,
    },
  });
}

await serve(Object.fromEntries(Object.keys(MODELS).map((wire) => [wire, answer])));
