// The question library over the API.

export const library = new Map();

// What was asked for a view that the reader has left needs no answer.
let leaving = new AbortController();
export function leave() {
  leaving.abort();
  leaving = new AbortController();
}

async function get(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, text]) => text));
  const response = await fetch(`${path}?${query}`, { signal: leaving.signal });
  const body = await response.json();
  if (!response.ok) throw new Error(body.error ?? response.statusText);
  return body;
}

export async function loadLibrary() {
  if (library.size > 0) return;
  for (const query of await get("api/queries")) library.set(query.name, query);
}

// The rows of an answer. Parameters that the question does not take are left out, so that filters can be given to all.
export function ask(name, parameters = {}) {
  const taken = new Set(library.get(name).parameters.map((parameter) => parameter.name));
  return get(`api/queries/${name}`, Object.fromEntries(Object.entries(parameters).filter(([key]) => taken.has(key))));
}

export const columnOf = (name, column) => library.get(name).columns.find((candidate) => candidate.name === column);
