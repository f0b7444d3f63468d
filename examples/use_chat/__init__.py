"""`useChat` of the Vercel AI SDK in front of a FastAPI app, through reloads of the page."""
