// What does a page's own WebSocket get at the gate's /rpc? `push.js ADDRESS TOKEN`: everything, as JSON.

async function told(address, token) {
  const shown = btoa(token).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const url = address.replace("http", "ws") + "/rpc";
  const line = new WebSocket(url, ["labgate.json", `labgate.bearer.${shown}`]);
  const heard = [];
  let wake = () => {};
  line.onmessage = (event) => {
    heard.push(JSON.parse(event.data));
    wake();
  };
  const next = async () => {
    while (!heard.length) await new Promise((go) => (wake = go));
    return heard.shift();
  };
  await new Promise((go, fail) => {
    line.onopen = go;
    line.onerror = fail;
  });
  const call = async (method, params) => {
    line.send(JSON.stringify({ jsonrpc: "2.0", method, params, id: 1 }));
    return (await next()).result;
  };
  const found = { protocol: line.protocol, extensions: line.extensions };
  found.large = (await call("calc.echo", ["ü".repeat(300000)]))[0].length;
  found.subscribed = Object.keys(await call("rpc.subscribe", { topic: "cache", methods: ["calc.get"] }));
  await call("calc.set", []);
  found.told = (await next()).method;
  found.closed = await new Promise((go) => {
    line.onclose = (event) => go(event.code);
    line.close(1000);
  });
  const refused = new WebSocket(url, ["labgate.json"]);
  found.refused = await new Promise((go) => (refused.onerror = () => go(true)));
  return found;
}

told(...process.argv.slice(2)).then((found) => console.log(JSON.stringify(found)));
