/** A chat as a front end has it: it streams from OpenAI's API, runs the tools that the model calls, and goes on. */

export type Message = { role: string; content?: string | null; tool_calls?: Call[]; tool_call_id?: string };
type Call = { id: string; type: "function"; function: { name: string; arguments: string } };

const TOOLS = [{ type: "function", function: { name: "get_weather", parameters: { type: "object" } } }];

/** Answers the last message; `shown` receives the text as it arrives. Returns the conversation with the answer. */
export async function chat(
  baseUrl: string,
  messages: Message[],
  runTool: (name: string, args: unknown) => Promise<string>,
  shown: (text: string) => void = () => {},
): Promise<Message[]> {
  const answer = await streamed(baseUrl, messages, shown);
  const next = [...messages, answer];
  if (answer.tool_calls === undefined) return next;
  for (const call of answer.tool_calls) {
    const content = await runTool(call.function.name, JSON.parse(call.function.arguments));
    next.push({ role: "tool", tool_call_id: call.id, content });
  }
  return chat(baseUrl, next, runTool, shown);
}

async function streamed(baseUrl: string, messages: Message[], shown: (text: string) => void): Promise<Message> {
  const response = await fetch(`${baseUrl}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer any" },
    body: JSON.stringify({ model: "gpt-4o", stream: true, messages, tools: TOOLS }),
  });
  if (!response.ok) throw new Error(`${response.status}: ${(await response.json()).error.message}`);
  let content = "";
  let complete = false;
  const calls: Call[] = [];
  for await (const event of events(response.body!)) {
    const choice = event.choices[0];
    if (choice?.delta?.content) {
      content += choice.delta.content;
      shown(content);
    }
    for (const { index, id, function: part } of choice?.delta?.tool_calls ?? []) {
      calls[index] ??= { id, type: "function", function: { name: part.name, arguments: "" } };
      calls[index].function.arguments += part.arguments ?? "";
    }
    complete ||= Boolean(choice?.finish_reason);
  }
  if (!complete) throw new Error("the answer broke off");
  return { role: "assistant", content, ...(calls.length > 0 ? { tool_calls: calls } : {}) };
}

/** The JSON of each event of a stream. */
async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<any> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      if (line.startsWith("data: ") && line !== "data: [DONE]") yield JSON.parse(line.slice(6));
    }
  }
}
