// What does Node's fetch get? The story of story.py, told once more; fetch keeps no cookies.
"use strict";

const { createHash, randomUUID } = require("node:crypto");
const { subscribe } = require("node:diagnostics_channel");

const [base, side, token] = process.argv.slice(2);
const credential = token ? { Authorization: `Bearer ${token}` } : {};
const LARGE = 20 * 1024 * 1024;
const ODD_TARGET = "/echo/a%20b/%C3%A9/c%2Cd;e=1/x:y@z?q=a%2Fb&q=&=x&plus=a+b";

const sha256 = (data) => createHash("sha256").update(data).digest("hex");

async function ask(method, path, headers = {}, body = undefined) {
  const options = { method, headers: { ...credential, ...headers }, body };
  if (body instanceof ReadableStream) options.duplex = "half";
  return told(await fetch(base + path, options));
}

async function told(answer) {
  const body = Buffer.from(await answer.arrayBuffer());
  const outcome = { status: answer.status, reason: answer.statusText, url: answer.url, fields: [...answer.headers] };
  if (answer.headers.get("content-type") === "application/json" && body.length) {
    return { ...outcome, json: JSON.parse(body) };
  }
  return { ...outcome, size: body.length, sha256: sha256(body) };
}

// The data as a stream of unknown length.
function pieces(data) {
  let start = 0;
  return new ReadableStream({
    pull(controller) {
      if (start >= data.length) return controller.close();
      controller.enqueue(data.subarray(start, (start += 65536)));
    },
  });
}

async function verbs(outcomes) {
  const kind = { "Content-Type": "application/json", "X-Mixed-Case": "caf\u00e9" };
  const body = '{"a": 1e400, "b": NaN, "c": 123456789012345678901234567890}';
  outcomes["get"] = await ask("GET", "/echo?a=1");
  outcomes["odd target"] = await ask("GET", ODD_TARGET);
  outcomes["base"] = await ask("GET", "");
  outcomes["options"] = await ask("OPTIONS", "/echo");
  outcomes["head"] = await ask("HEAD", "/bytes/1000");
  outcomes["delete with body"] = await ask("DELETE", "/echo", { "Content-Type": "text/plain" }, "why not");
  for (const verb of ["POST", "PUT", "PATCH"]) outcomes[verb] = await ask(verb, "/echo", kind, body);
}

async function largeBodies(outcomes) {
  const data = createHash("shake128", { outputLength: LARGE }).update("fetch").digest();
  const binary = { "Content-Type": "application/octet-stream" };
  outcomes["upload"] = await ask("PUT", "/store/large", binary, data);
  outcomes["had back"] = await ask("GET", "/store/large");
  outcomes["delete"] = await ask("DELETE", "/store/large");
  outcomes["deleted"] = await ask("GET", "/store/large");
  outcomes["chunked upload"] = await ask("POST", "/echo", binary, pieces(data));
  outcomes["download"] = await ask("GET", `/bytes/${LARGE}`);
  outcomes["streamed"] = await ask("GET", "/streamed/2000");
  const etag = Object.fromEntries(outcomes["download"].fields)["etag"];
  outcomes["intact"] =
    ["upload", "chunked upload"].every((name) => outcomes[name].json.sha256 === sha256(data)) &&
    outcomes["had back"].sha256 === sha256(data) &&
    `"${outcomes["download"].sha256}"` === etag;
}

async function oddAnswers(outcomes) {
  const etag = Object.fromEntries(outcomes["head"].fields)["etag"];
  outcomes["range"] = await ask("GET", "/bytes/1000", { Range: "bytes=100-299" });
  outcomes["range beyond"] = await ask("GET", "/bytes/1000", { Range: "bytes=1000-1001" });
  outcomes["not modified"] = await ask("GET", "/bytes/1000", { "If-None-Match": etag });
  outcomes["gzip"] = await ask("GET", "/gzip");
  outcomes["missing"] = await ask("GET", "/nowhere");
  outcomes["empty"] = await ask("GET", "/bytes/0");
  for (const status of [400, 409, 418, 500, 503]) outcomes[status] = await ask("GET", `/status/${status}`);
}

async function redirects(outcomes) {
  const landed = [];
  for (const status of [301, 302, 303, 307, 308]) {
    for (const form of ["path", "full"]) {
      const outcome = await ask("GET", `/redirect/${status}/${form}`);
      outcomes[`redirect ${status} ${form}`] = outcome;
      landed.push(outcome.json.target);
    }
  }
  outcomes["followed"] = landed.every((target) => target === "/echo/landed?from=redirect");
  outcomes["login"] = await ask("GET", "/login");
}

async function many(outcomes) {
  let connections = 0;
  subscribe("undici:client:connected", () => connections++);
  const targets = [];
  for (let n = 0; n < 200; n++) targets.push((await ask("GET", `/echo?n=${n}`)).json.target);
  outcomes["many"] = { targets, connections };
}

async function leave(outcomes) {
  const name = randomUUID();
  const leaving = new AbortController();
  const answer = await fetch(`${base}/held/${name}`, { headers: credential, signal: leaving.signal });
  const { value } = await answer.body.getReader().read();
  outcomes["leave"] = Buffer.from(value).toString();
  leaving.abort();
  await fetch(`${side}/gone/${name}`);
}

async function main() {
  const outcomes = {};
  for (const part of [verbs, largeBodies, oddAnswers, redirects, many, leave]) await part(outcomes);
  console.log(JSON.stringify(outcomes));
}

main();
