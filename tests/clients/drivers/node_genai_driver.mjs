// Google's SDK of JavaScript.

import { GoogleGenAI } from "@google/genai";
import { KEY, PROMPT, TOOLS, below, output, serve } from "./jobs.mjs";

async function models(job) {
  const client = new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: below(job.root) } });
  const asked = { model: job.model, contents: PROMPT, config: {} };
  if (job.tools) {
    const declarations = TOOLS.map(({ name, description, parameters }) => ({
      name,
      description,
      parametersJsonSchema: parameters,
    }));
    asked.config.tools = [{ functionDeclarations: declarations }];
  }
  const responses = [];
  if (job.stream) {
    for await (const chunk of await client.models.generateContentStream(asked)) responses.push(chunk);
  } else {
    responses.push(await client.models.generateContent(asked));
  }
  const candidates = responses.flatMap((response) => response.candidates ?? []);
  const parts = candidates.flatMap((candidate) => candidate.content?.parts ?? []);
  const usage = responses.at(-1).usageMetadata;
  const join = (wanted) => parts.filter((part) => part.text && Boolean(part.thought) === wanted).map((p) => p.text).join("");
  return output({
    text: join(false),
    reasoning: join(true),
    toolCalls: parts.filter((part) => part.functionCall).map(({ functionCall: call }) => [call.name, call.args]),
    finishReason: candidates.map((candidate) => candidate.finishReason).filter(Boolean).at(-1),
    usage: usage && {
      input: usage.promptTokenCount,
      output: usage.candidatesTokenCount ?? 0,
      cached: usage.cachedContentTokenCount ?? 0,
      reasoning: usage.thoughtsTokenCount ?? 0,
    },
  });
}

await serve({ gemini: models });
