// What a page does with the official SDKs and with fetch; bundled for a browser, it puts `chat` on the window.
//
// Each function streams one answer of the server at `root`, and returns its text, its tool calls and why it ended.

import Anthropic from "@anthropic-ai/sdk";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { jsonSchema, streamText, tool } from "ai";
import OpenAI from "openai";

const messages = [{ role: "user", content: "What is the weather in Oslo?" }];
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

async function openai(root) {
  const client = new OpenAI({ baseURL: `${root}/v1`, apiKey: "any", dangerouslyAllowBrowser: true, maxRetries: 0 });
  const tools = [{ type: "function", function: { name: "get_weather", parameters } }];
  const stream = client.chat.completions.stream({ model: "gpt-4o", messages, tools });
  const { message, finish_reason } = (await stream.finalChatCompletion()).choices[0];
  const calls = message.tool_calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]);
  return { text: message.content, calls, finish: finish_reason };
}

async function responses(root) {
  const client = new OpenAI({ baseURL: `${root}/v1`, apiKey: "any", dangerouslyAllowBrowser: true, maxRetries: 0 });
  const tools = [{ type: "function", name: "get_weather", parameters, strict: false }];
  const stream = client.responses.stream({ model: "gpt-4o", input: messages, tools });
  const whole = await stream.finalResponse();
  const calls = whole.output.filter((item) => item.type === "function_call");
  return {
    text: whole.output_text,
    calls: calls.map((call) => [call.name, JSON.parse(call.arguments)]),
    finish: whole.status,
  };
}

async function anthropic(root) {
  const client = new Anthropic({ baseURL: root, apiKey: "any", dangerouslyAllowBrowser: true, maxRetries: 0 });
  const tools = [{ name: "get_weather", input_schema: parameters }];
  const stream = client.messages.stream({ model: "claude-sonnet-4-5", max_tokens: 200, messages, tools });
  const { content, stop_reason } = await stream.finalMessage();
  return {
    text: content.filter((block) => block.type === "text").map((block) => block.text).join(""),
    calls: content.filter((block) => block.type === "tool_use").map((block) => [block.name, block.input]),
    finish: stop_reason,
  };
}

async function vercel(model) {
  const problems = [];
  const result = streamText({
    model,
    messages,
    maxRetries: 0,
    tools: { get_weather: tool({ inputSchema: jsonSchema(parameters) }) },
    onError: ({ error }) => problems.push(error),
  });
  let text = "";
  for await (const part of result.fullStream) {
    if (part.type === "text-delta") text += part.text;
  }
  if (problems.length) throw problems[0];
  const calls = (await result.toolCalls).map((call) => [call.toolName, call.input]);
  return { text, calls, finish: await result.finishReason };
}

const vercelOpenai = (root) => vercel(createOpenAI({ baseURL: `${root}/v1`, apiKey: "any" }).chat("gpt-4o"));
const vercelAnthropic = (root) => vercel(createAnthropic({ baseURL: `${root}/v1`, apiKey: "any" })("claude-sonnet-4-5"));

// Adds what arrives to `window.received`, so that a test sees it while the stream is open.
async function plainFetch(root) {
  window.received = "";
  const response = await fetch(`${root}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer any" },
    body: JSON.stringify({ model: "gpt-4o", stream: true, messages }),
  });
  window.head = { status: response.status, id: response.headers.get("x-request-id") };
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return window.received;
    window.received += value;
  }
}

window.chat = { OpenAI, openai, responses, anthropic, vercelOpenai, vercelAnthropic, plainFetch };
