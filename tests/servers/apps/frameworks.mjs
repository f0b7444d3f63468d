// The same stream in frameworks of JavaScript, each as its documentation has it: node frameworks.mjs NAME PORT
import http from "node:http";
import OpenAI from "openai";

const [name, port] = process.argv.slice(2);
const question = { model: "m", messages: [{ role: "user", content: "Hello" }], stream: true };

async function* tokens() {
  const chunks = await new OpenAI({ maxRetries: 0 }).chat.completions.create(question);
  for await (const chunk of chunks) {
    if (chunk.choices[0]?.delta?.content) yield chunk.choices[0].delta.content;
  }
}

async function* events() {
  for await (const text of tokens()) yield `data: ${JSON.stringify({ text })}\n\n`;
}

const SSE = { "content-type": "text/event-stream", "cache-control": "no-cache" };

const frameworks = {
  async node() {
    http.createServer(async (request, response) => {
      response.writeHead(200, SSE);
      for await (const data of events()) response.write(data);
      response.end();
    }).listen(port, "127.0.0.1");
  },

  async express() {
    const { default: express } = await import("express");
    const app = express();
    app.post("/chat", async (request, response) => {
      response.set(SSE);
      for await (const data of events()) response.write(data);
      response.end();
    });
    app.listen(port, "127.0.0.1");
  },

  async fastify() {
    const { default: fastify } = await import("fastify");
    const { Readable } = await import("node:stream");
    const app = fastify();
    app.post("/chat", (request, reply) => reply.headers(SSE).send(Readable.from(events())));
    await app.listen({ port: Number(port), host: "127.0.0.1" });
  },

  async koa() {
    const { default: Koa } = await import("koa");
    const { Readable } = await import("node:stream");
    const app = new Koa();
    app.use(async (context) => {
      context.set(SSE);
      context.body = Readable.from(events());
    });
    app.silent = true;
    app.listen(port, "127.0.0.1");
  },

  async hono_stream() {
    const { stream } = await import("hono/streaming");
    await hono((context) =>
      stream(context, async (output) => {
        for await (const data of events()) await output.write(data);
      }),
    );
  },

  async hono_sse() {
    const { streamSSE } = await import("hono/streaming");
    await hono((context) =>
      streamSSE(context, async (output) => {
        for await (const text of tokens()) await output.writeSSE({ data: JSON.stringify({ text }) });
      }),
    );
  },

  async ai_sdk_text() {
    await aiSdk((result, response) => result.pipeTextStreamToResponse(response));
  },

  async ai_sdk_ui() {
    await aiSdk((result, response) => result.pipeUIMessageStreamToResponse(response));
  },
};

async function hono(handler) {
  const { Hono } = await import("hono");
  const { serve } = await import("@hono/node-server");
  const app = new Hono();
  app.post("/chat", handler);
  serve({ fetch: app.fetch, port: Number(port), hostname: "127.0.0.1" });
}

async function aiSdk(answer) {
  const { streamText } = await import("ai");
  const { createOpenAI } = await import("@ai-sdk/openai");
  const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL, apiKey: "any" });
  http.createServer((request, response) => {
    answer(streamText({ model: openai.chat("m"), prompt: "Hello", maxRetries: 0 }), response);
  }).listen(port, "127.0.0.1");
}

// An error in one request must not end the others, as under a process manager.
process.on("unhandledRejection", (error) => console.error(String(error)));
await frameworks[name]();
