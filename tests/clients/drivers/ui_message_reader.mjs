// What the AI SDK makes of UI message streams: each body, read by its own transport and its schema of the events.
//
// A line in: {"version": "6" or "7", "bodies": [...]}. A line out: a list of {parts, metadata, finishReason, error}.

import { createInterface } from "node:readline";

const SDKS = { 6: await import("ai"), 7: await import("ai-7") };
const HEADERS = { "content-type": "text/event-stream" };

async function read({ DefaultChatTransport, readUIMessageStream }, body) {
  const transport = new DefaultChatTransport({ fetch: async () => new Response(body, { headers: HEADERS }) });
  const chunks = await transport.sendMessages({ chatId: "c", messages: [], trigger: "submit-message" });
  let message = { parts: [] };
  let error = null;
  let finishReason = null;
  let aborted = false;
  const seen = chunks.pipeThrough(
    new TransformStream({
      transform(chunk, controller) {
        finishReason = chunk.finishReason ?? finishReason;
        aborted ||= chunk.type === "abort";
        controller.enqueue(chunk);
      },
    }),
  );
  const onError = (raised) => (error ??= String(raised));
  for await (const state of readUIMessageStream({ stream: seen, onError })) message = state;
  return { parts: message.parts, metadata: message.metadata ?? null, finishReason, aborted, error };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { version, bodies } = JSON.parse(line);
  const messages = [];
  for (const body of bodies) messages.push(await read(SDKS[version], body));
  console.log(JSON.stringify(messages));
}
