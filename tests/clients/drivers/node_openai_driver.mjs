// The openai SDK of JavaScript: chat completions and responses.

import OpenAI from "openai";
import { KEY, PROMPT, TOOLS, below, output, parsed, serve } from "./jobs.mjs";

const client = (job) => new OpenAI({ baseURL: below(job.root, "/v1"), apiKey: KEY, maxRetries: 0 });

async function chat(job) {
  const asked = { model: job.model, messages: [{ role: "user", content: PROMPT }] };
  if (job.tools) asked.tools = TOOLS.map((tool) => ({ type: "function", function: tool }));
  if (!job.stream) return ofCompletion(await client(job).chat.completions.create(asked));
  const options = { ...asked, stream: true, stream_options: { include_usage: true } };
  let reasoning = "";
  const stream = client(job).chat.completions.stream(options);
  for await (const chunk of stream) {
    for (const choice of chunk.choices) reasoning += choice.delta.reasoning_content ?? "";
  }
  return { ...ofCompletion(await stream.finalChatCompletion()), reasoning };
}

function ofCompletion({ choices: [choice], usage }) {
  const calls = choice.message.tool_calls ?? [];
  return output({
    text: choice.message.content ?? "",
    reasoning: choice.message.reasoning_content ?? "",
    toolCalls: calls.map((call) => [call.function.name, parsed(call.function.arguments)]),
    finishReason: choice.finish_reason,
    usage: usage && {
      input: usage.prompt_tokens,
      output: usage.completion_tokens,
      cached: usage.prompt_tokens_details?.cached_tokens,
      reasoning: usage.completion_tokens_details?.reasoning_tokens,
    },
  });
}

async function responses(job) {
  const asked = { model: job.model, input: PROMPT };
  if (job.tools) asked.tools = TOOLS.map((tool) => ({ type: "function", ...tool, strict: false }));
  if (!job.stream) return ofResponse(await client(job).responses.create(asked));
  let text = "";
  let reasoning = "";
  let last;
  for await (const event of await client(job).responses.create({ ...asked, stream: true })) {
    if (event.type === "response.output_text.delta") text += event.delta;
    if (/^response\.reasoning(_summary)?_text\.delta$/.test(event.type)) reasoning += event.delta;
    if (/^response\.(completed|incomplete|failed)$/.test(event.type)) last = ofResponse(event.response);
  }
  if (last.text !== text || last.reasoning !== reasoning) throw new Error(`streamed ${text} and ${reasoning}`);
  return last;
}

function ofResponse({ output: items, status, incomplete_details: details, usage }) {
  const of = (type) => items.filter((item) => item.type === type);
  const parts = of("message").flatMap((item) => item.content);
  const thoughts = of("reasoning").flatMap((item) => [...item.summary, ...(item.content ?? [])]);
  return output({
    text: parts.map((part) => part.text).join(""),
    reasoning: thoughts.map((part) => part.text).join(""),
    toolCalls: of("function_call").map((item) => [item.name, parsed(item.arguments)]),
    finishReason: details?.reason ?? status,
    usage: usage && {
      input: usage.input_tokens,
      output: usage.output_tokens,
      cached: usage.input_tokens_details.cached_tokens,
      reasoning: usage.output_tokens_details.reasoning_tokens,
    },
  });
}

await serve({ openai_chat: chat, openai_responses: responses });
