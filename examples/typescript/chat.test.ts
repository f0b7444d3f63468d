/**
 * The tests of a front-end team, which start the fake provider by themselves.
 *
 *     npm install tokentape
 *     node --test chat.test.ts        # Node 22.18 or newer; before, compile it first
 */

import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";

import { ControlError, startServer, type Session } from "tokentape";

import { chat, type Message } from "./chat.ts";

const server = await startServer();
const { provider } = server;
const sessions: Session[] = [];
let session: Session;
let url: string;

const QUESTION: Message[] = [{ role: "user", content: "What is the weather in Oslo?" }];
const noTools = async (): Promise<string> => assert.fail("no tool was expected");

beforeEach(async () => {
  session = await provider.createSession();
  sessions.push(session);
  url = session.baseUrl("openai_chat");
});

after(async () => {
  await Promise.all(sessions.map((one) => one.delete()));
  await server.stop();
});

test("the chat runs the tool that the model calls, and shows the answer", async () => {
  await session.queue(
    { choices: [{ items: [{ type: "tool_call", name: "get_weather", arguments: { city: "Oslo" } }] }] },
    "It rains.",
  );
  const called: unknown[] = [];
  const messages = await chat(url, QUESTION, async (name, args) => {
    called.push([name, args]);
    return "rain, 4 °C";
  });
  assert.deepEqual(called, [["get_weather", { city: "Oslo" }]]);
  assert.equal(messages.at(-1)?.content, "It rains.");
  const [first, second] = await session.journal({ wait: 5 });
  assert.equal(first?.answered_by, "queue");
  assert.equal(second?.body.messages.at(-1).content, "rain, 4 °C");
  assert.equal((await session.unplayed()).queue, 0);
});

test("each token is shown as it arrives", async () => {
  await session.configure({ timing: "stepped" });
  await session.queue("one two three");
  const shown: string[] = [];
  const done = chat(url, QUESTION, noTools, (text) => shown.push(text));
  const stream = await session.nextStream();
  assert.match(await stream.step({ until: "two" }), /" two"/);
  while (shown.at(-1) !== "one two") await new Promise(setImmediate);
  assert.deepEqual(shown, ["one", "one two"]);
  assert.equal((await stream.state()).over, false);
  assert.match(await stream.finish(), /\[DONE\]/);
  assert.equal((await done).at(-1)?.content, "one two three");
});

test("a stream is held and released", async () => {
  await session.configure({ clock: "controlled", timing: "synthetic:ttft=100ms,tps=10" });
  await session.queue("one two three");
  const shown: string[] = [];
  const done = chat(url, QUESTION, noTools, (text) => shown.push(text));
  const stream = await session.nextStream();
  assert.equal((await stream.hold()).held, true);
  assert.equal((await session.advance({ seconds: 60 })).now, 60_000);
  assert.deepEqual(shown, []);
  assert.equal((await stream.release()).held, false);
  await session.advance({ seconds: 60 });
  assert.equal((await done).at(-1)?.content, "one two three");
  assert.equal((await session.clock()).automatic, false);
});

test("a cut stream is an error", async () => {
  await session.configure({ timing: "stepped" });
  await session.queue("one two three");
  const failed = assert.rejects(chat(url, QUESTION, noTools));
  const stream = await session.nextStream();
  await stream.step({ until: "one" });
  assert.equal((await stream.cut()).over, true);
  await failed;
  const [entry] = await session.journal({ wait: 5, frames: true });
  assert.equal(entry?.outcome, "dropped");
  assert.ok(entry.frames!.length > 0);
});

test("a rate limit is shown, and the next try succeeds", async () => {
  await session.configure({ faults: ["http_error@status=429,times=1,message=Slow down."] });
  await session.addRule({ last_user: "weather", scripts: ["It rains."] });
  await assert.rejects(chat(url, QUESTION, noTools), { message: "429: Slow down." });
  assert.equal((await chat(url, QUESTION, noTools)).at(-1)?.content, "It rains.");
  await session.setRules([{ last_user: "weather", scripts: ["It snows."] }]);
  assert.equal((await chat(url, QUESTION, noTools)).at(-1)?.content, "It snows.");
});

test("a strict session names what differs", async () => {
  await session.configure({ strict: true });
  await session.addRule({ last_user: "time", scripts: ["Noon."] });
  await assert.rejects(chat(url, QUESTION, noTools), /409/);
  const [entry] = await session.journal();
  assert.deepEqual(entry?.misses[0]?.differences, [
    { path: "last_user", expected: "time", actual: "What is the weather in Oslo?" },
  ]);
  await session.clearJournal();
  assert.deepEqual(await session.journal(), []);
});

test("what the server refuses is an error with the place and the remedy", async () => {
  await assert.rejects(session.configure({ timing: "fast" }), (error: ControlError) => {
    assert.equal(error.status, 400);
    assert.match(error.where, /PATCH .*settings/);
    return error instanceof ControlError;
  });
  await assert.rejects(provider.session("nobody"), { status: 404 });
});
