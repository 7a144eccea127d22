// What does an EventSource in Node get, when each event is sent only after the one before was had?
"use strict";

const { randomUUID } = require("node:crypto");

const [base, side, token] = process.argv.slice(2);
const credential = token ? { Authorization: `Bearer ${token}` } : {};

// The events of a body as the HTML standard reads them: [event, data, id, retry].
async function* events(body) {
  let text = "";
  let id = "";
  for await (const piece of body.pipeThrough(new TextDecoderStream())) {
    text += piece;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      let [event, retry] = ["message", null];
      const data = [];
      for (const line of block.split("\n")) {
        const [, name, value] = line.match(/^([^:]*):? ?(.*)$/);
        if (name === "data") data.push(value);
        else if (name === "event") event = value;
        else if (name === "id") id = value;
        else if (name === "retry") retry = Number(value);
      }
      if (data.length) yield [event, data.join("\n"), id, retry];
    }
  }
}

async function listen(fields = {}) {
  const name = randomUUID();
  const answer = await fetch(`${base}/events/${name}`, { headers: { ...credential, ...fields } });
  const heard = [];
  for await (const event of events(answer.body)) {
    heard.push(event);
    await fetch(`${side}/tell/${name}`, { method: "POST" });
  }
  return heard;
}

async function left() {
  const name = randomUUID();
  const leaving = new AbortController();
  const answer = await fetch(`${base}/events/${name}`, { headers: credential, signal: leaving.signal });
  const { value } = await events(answer.body).next();
  leaving.abort();
  await fetch(`${side}/gone/${name}`);
  return [value];
}

async function main() {
  const outcomes = { all: await listen(), "after the second": await listen({ "Last-Event-ID": "2" }), left: await left() };
  console.log(JSON.stringify(outcomes));
}

main();
