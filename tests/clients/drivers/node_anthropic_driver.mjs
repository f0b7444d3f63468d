// The anthropic SDK of JavaScript; streaming through its helper, which rebuilds the message.

import Anthropic from "@anthropic-ai/sdk";
import { KEY, PROMPT, TOOLS, below, output, serve } from "./jobs.mjs";

async function messages(job) {
  const client = new Anthropic({ baseURL: below(job.root), apiKey: KEY, maxRetries: 0 });
  const asked = { model: job.model, max_tokens: 1000, messages: [{ role: "user", content: PROMPT }] };
  if (job.tools) {
    asked.tools = TOOLS.map(({ name, description, parameters }) => ({ name, description, input_schema: parameters }));
  }
  if (!job.stream) return ofMessage(await client.messages.create(asked));
  let text = "";
  const stream = client.messages.stream(asked).on("text", (delta) => (text += delta));
  const rebuilt = ofMessage(await stream.finalMessage());
  if (rebuilt.text !== text) throw new Error(`streamed ${text}`);
  return rebuilt;
}

function ofMessage({ content, stop_reason, usage }) {
  const of = (type) => content.filter((block) => block.type === type);
  return output({
    text: of("text").map((block) => block.text).join(""),
    reasoning: of("thinking").map((block) => block.thinking).join(""),
    toolCalls: of("tool_use").map((block) => [block.name, block.input]),
    finishReason: stop_reason,
    usage: {
      input: usage.input_tokens,
      output: usage.output_tokens,
      cached: usage.cache_read_input_tokens,
      cache_write: usage.cache_creation_input_tokens,
      reasoning: usage.output_tokens_details?.thinking_tokens,
    },
  });
}

await serve({ anthropic_messages: messages });
