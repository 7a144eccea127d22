// How does Node's http server answer, and what does it see? Scripted by the request; see fidelity_script.py.
// Beyond what is told there, Node knows `interim` (statuses sent before the answer) and `trailers`.
"use strict";

const { createHash } = require("node:crypto");
const http = require("node:http");

let seen = [];

function answer(request, response) {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    if (request.url === "/__seen") {
      const told = JSON.stringify(seen);
      seen = [];
      response.end(told);
      return;
    }
    seen.push(recorded(request, Buffer.concat(parts)));
    const script = request.headers["x-script"];
    play(script ? JSON.parse(Buffer.from(script, "base64").toString()) : plain, response);
  });
}

const plain = { status: 200, reason: "OK", fields: [], body: "ok", times: 1, framing: "length", pieces: 1 };

function recorded(request, body) {
  const raw = request.rawHeaders;
  const fields = [];
  for (let at = 0; at < raw.length; at += 2) fields.push([raw[at], raw[at + 1]]);
  const sha256 = createHash("sha256").update(body).digest("hex");
  return { verb: request.method, target: request.url, fields, length: body.length, sha256 };
}

function play(script, response) {
  for (const status of script.interim || []) {
    if (status === 100) response.writeContinue();
    else if (status === 102) response.writeProcessing();
    else response.writeEarlyHints({ link: "</style.css>; rel=preload" });
  }
  const one = Buffer.from(script.body, "latin1");
  const body = Buffer.concat(Array(script.times).fill(one));
  const fields = script.fields.flat();
  if (script.framing === "length") fields.push("Content-Length", String(body.length));
  if (script.framing === "close") response.removeHeader("Transfer-Encoding");
  if (script.fields.some(([name]) => name.toLowerCase() === "date")) response.sendDate = false;
  response.writeHead(script.status, script.reason, fields);
  if (script.framing !== "none") {
    const size = Math.max(1, Math.ceil(body.length / script.pieces));
    for (let at = 0; at < body.length; at += size) response.write(body.subarray(at, at + size));
  }
  if (script.trailers) response.addTrailers(script.trailers);
  response.end();
}

const server = http.createServer({ maxHeaderSize: 65536, keepAliveTimeout: 0 }, answer);
server.listen(0, "127.0.0.1", () => console.log(`ready http://127.0.0.1:${server.address().port}`));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
