// The front end: npm install ai @ai-sdk/react react react-dom esbuild
// npx esbuild chat.jsx --bundle --format=esm --jsx=automatic --outfile=chat.js

import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";
import { useState } from "react";
import { createRoot } from "react-dom/client";

const transport = new DefaultChatTransport({
  prepareSendMessagesRequest: ({ id, messages }) => ({ body: { id, message: messages.at(-1) } }),
  prepareReconnectToStreamRequest: ({ id }) => ({ api: `/api/chat/${id}/stream` }),
});

function Chat({ id, initialMessages }) {
  // A history that ends with the user's message lacks an answer, which is running or has just ended.
  const resume = initialMessages.at(-1)?.role === "user";
  const { messages, sendMessage, status, error, stop } = useChat({ id, messages: initialMessages, resume, transport });
  const [prompt, setPrompt] = useState("");
  const submit = (event) => {
    event.preventDefault();
    sendMessage({ text: prompt });
  };
  // stop() alone only leaves: the answer would be generated on, for a reader that comes back.
  const stopAnswer = () => fetch(`/api/chat/${id}/stop`, { method: "POST" }).then(stop);
  return (
    <form onSubmit={submit}>
      {messages.map((message) => (
        <article key={message.id} aria-label={message.role}>
          {message.parts.map((part) => (part.type === "text" ? part.text : ""))}
        </article>
      ))}
      <p role="status">{error ? error.message : status}</p>
      <input aria-label="prompt" value={prompt} onChange={(event) => setPrompt(event.target.value)} />
      <button>Send</button>
      <button type="button" onClick={stopAnswer}>Stop</button>
    </form>
  );
}

location.hash ||= crypto.randomUUID();
const id = location.hash.slice(1);
const initialMessages = await (await fetch(`/api/chat/${id}`)).json();
createRoot(document.querySelector("main")).render(<Chat id={id} initialMessages={initialMessages} />);
