const url = `${process.env.OPENAI_BASE_URL}/chat/completions`;
const body = { model: "m", stream: true, messages: [{ role: "user", content: "Hello" }] };
const headers = { "content-type": "application/json", authorization: "Bearer any" };
fetch(url, { method: "POST", headers, body: JSON.stringify(body) }).then((response) => response.text()).then(console.log);
