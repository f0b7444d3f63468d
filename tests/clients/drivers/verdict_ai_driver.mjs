// A small chat app of the AI SDK as its first pages write it: what a verdict is to judge. See verdict_driver.py.

import { createOpenAI } from "@ai-sdk/openai";
import { streamText } from "ai";
import { KEY, below, serve } from "./jobs.mjs";

const FIRST = { role: "user", content: "Hi" };
const SECOND = { role: "user", content: "And then?" };

const streamed = (root, messages) =>
  streamText({ model: createOpenAI({ baseURL: below(root, "/v1"), apiKey: KEY }).chat("m"), messages });

async function answer(job) {
  let text = "";
  const kept = streamed(job.root, [FIRST]);
  let count = 0;
  for await (const piece of kept.textStream) {
    text += piece;
    count += 1;
    if (job.case === "leave" && count === 2) break;
  }
  let then = "";
  const messages = [FIRST, { role: "assistant", content: text }, SECOND];
  for await (const piece of streamed(job.root, messages).textStream) then += piece;
  return { text, then };
}

await serve({ ai: answer });
