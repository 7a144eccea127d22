// Where is somebody in the console? In the fragment of the address: `#/methods/jobs.list_jobs?datastack=d`.

/** The panel, what is looked at there, and the rest as parameters. */
export function here() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const [panel, ...rest] = path.split("/").map(decoded);
  return { panel: panel || "methods", rest, query: new URLSearchParams(query) };
}

/** The address of a place. */
export function to(panel, rest = [], query = {}) {
  const given = new URLSearchParams(
    Object.entries(query).filter(([, one]) => one !== null && one !== undefined && one !== ""),
  );
  const written = given.toString();
  return `#/${[panel, ...rest].map(encodeURIComponent).join("/")}${written && `?${written}`}`;
}

/** Go there; with `quietly`, without a step back in the history and without telling anybody. */
export function go(panel, rest, query, quietly = false) {
  const target = to(panel, rest, query);
  if (quietly) history.replaceState(null, "", target);
  else location.hash = target;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
