import { expect, test } from "vitest";
import { fakeProvider } from "tokentape";

test("the server of the global setup answers", async () => {
  const session = await fakeProvider().createSession();
  await session.queue("It rains.");
  const response = await fetch(`${session.baseUrl("openai_chat")}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }] }),
  });
  expect((await response.json()).choices[0].message.content).toBe("It rains.");
  await session.delete();
});
