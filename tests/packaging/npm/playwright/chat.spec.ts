import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { expect, test } from "@playwright/test";
import { fakeProvider } from "tokentape";

const PAGE = `<pre id="answer"></pre><script>
  async function ask(url) {
    const body = JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content: "hi" }] });
    const headers = { "content-type": "application/json" };
    const response = await fetch(url + "/chat/completions", { method: "POST", headers, body });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let read; !(read = await reader.read()).done; )
      for (const [, text] of read.value.matchAll(/"content":"([^"]*)"/g)) answer.textContent += text;
  }
</script>`;

test("a page shows each token as it arrives", async ({ page }) => {
  const session = await fakeProvider().createSession({ settings: { timing: "stepped" } });
  await session.queue("one two three");
  const app = createServer((_, response) => response.setHeader("content-type", "text/html").end(PAGE));
  await new Promise<void>((done) => app.listen(0, "127.0.0.1", done));
  await page.goto(`http://127.0.0.1:${(app.address() as AddressInfo).port}/`);
  await page.evaluate(`void ask(${JSON.stringify(session.baseUrl("openai_chat"))})`);
  const stream = await session.nextStream();
  await stream.step({ until: "two" });
  await expect(page.locator("#answer")).toHaveText("one two");
  await stream.finish();
  await expect(page.locator("#answer")).toHaveText("one two three");
  await session.delete();
  app.closeAllConnections();
  app.close();
});
