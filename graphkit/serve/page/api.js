// Asking the service. Whatever goes wrong becomes a `Trouble` whose message can be shown as it is.

export class Trouble extends Error {
  constructor(words, status) {
    super(words);
    this.status = status; // 0 where there was no answer at all
  }
}

let askForToken = async () => {};
let asking = null; // one question for all requests that were refused
let taken = 0; // tokens that the service took

/** How to ask the person for a token, a function that resolves once the service took one. */
export function onTokenWanted(ask) {
  askForToken = ask;
}

/** GET `path` with `parameters` ([name, value] pairs or an object); the answer's JSON. */
export async function get(path, parameters = {}, signal = undefined) {
  const before = taken;
  const response = await request(`${path}?${new URLSearchParams(parameters)}`, signal);
  if (response.status === 401) {
    // One that was sent before the token came, and is refused after, asks again without a question.
    if (taken === before) {
      asking ??= askForToken()
        .then(() => (taken += 1))
        .finally(() => (asking = null));
      await asking;
    }
    signal?.throwIfAborted();
    return get(path, parameters, signal);
  }
  let answer;
  try {
    answer = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble(`The service answered ${response.status} without words. Its log tells more.`, response.status);
  }
  if (!response.ok) {
    throw new Trouble(sentence(answer?.error ?? `the service answered ${response.status}`), response.status);
  }
  return answer;
}

/** Whether the service takes this token; it then keeps it in a cookie that scripts cannot read. */
export async function offerToken(token) {
  const response = await request(`./?${new URLSearchParams({ token })}`);
  return response.ok;
}

async function request(address, signal) {
  try {
    return await fetch(address, { signal, credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble("The service does not answer. Is graphkit serve still running, and the network there?", 0);
  }
}

function sentence(words) {
  const text = String(words);
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.?!…]$/.test(text) ? "" : ".");
}

// What rows are called, as far as answers have told: a row is looked up once.

const byRow = new Map();
const byName = new Map();

/** Remember what an answer tells of rows, [{row, name, title}]. */
export function remember(entities) {
  for (const { row, name, title } of entities) {
    const entity = { row, name, title: title ?? "" };
    byRow.set(row, entity);
    byName.set(name, entity);
  }
}

/** Forget all names: another index is served, whose rows have other numbers. */
export function forget() {
  byRow.clear();
  byName.clear();
}

export const known = (row) => byRow.get(row);
export const knownByName = (name) => byName.get(name);

/** The entity of exactly this name, {row, name, title}, or undefined. */
export async function entityOf(name) {
  if (!byName.has(name)) {
    const { entities } = await get("entities", { beginning: name, limit: 20 });
    remember(entities);
  }
  return byName.get(name);
}

/** Entities to go on from what has been typed. */
export async function suggestions(beginning, signal) {
  const { entities } = await get("entities", { beginning, limit: 10 }, signal);
  remember(entities);
  return entities;
}

/** Look up what these rows are called, in one request for those not known. */
export async function nameRows(rows) {
  const unknown = rows.filter((row) => !byRow.has(row));
  if (unknown.length) remember((await get("entities", { rows: unknown.join(",") })).entities);
}
