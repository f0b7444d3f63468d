const { fakeProvider } = require("tokentape");

test("the server of the global setup answers", async () => {
  const session = await fakeProvider().createSession();
  await session.queue("It rains.");
  const response = await fetch(`${session.baseUrl("anthropic_messages")}/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "m", max_tokens: 9, messages: [{ role: "user", content: "hi" }] }),
  });
  expect((await response.json()).content[0].text).toBe("It rains.");
  await session.delete();
});
