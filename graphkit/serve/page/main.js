// What the page does when: a place (places.js) is gone to, asked about, and shown in the list and on the map.

import { Trouble, entityOf, get, known, knownByName, nameRows, onTokenWanted, remember, suggestions } from "./api.js";
import { makeCombobox, text } from "./combobox.js";
import { PointMap } from "./map.js";
import { conditions, readPlace, requestOf, writePlace } from "./places.js";
import { makeRelations } from "./relations.js";
import {
  clearMatches, entityLinks, makeListKeys, showHeading, showHints, showMatches, showTrouble, showWaiting, showWalk,
  understoodLine,
} from "./results.js";
import { Served } from "./served.js";
import { askForToken } from "./token.js";

const SUMS = ["analogy", "text", "vector"]; // modes whose answer is not about one row
const EXAMPLES = 6;

const part = (id) => document.getElementById(id);
const query = part("query");

let place = readPlace("");
let trail = []; // [{hash, label}] of the walk; its last step is `place`
let asking = null; // the AbortController of the question under way

const say = (words) => (part("said").textContent = words);
const map = new PointMap(part("map"), { names: { known, nameRows }, onPick: pickRow, say });
const relations = makeRelations((question) => go({ kind: "relation", ...question, ...options() }));
const served = new Served(map, relations);

// Places, and the way from one to the next

/** Go to a place; `from` is the walk that led here, empty where something new is asked. */
function go(next, from = []) {
  trail = [...from, stepOf(next)];
  history.pushState({ trail }, "", writePlace(next) || "./");
  show(next);
}

function walkTo(name) {
  go({ kind: "walk", name, k: place.k, where: place.where, fuzzy: false }, place.kind === "start" ? [] : trail);
}

async function pickRow(row) {
  await nameRows([row]).catch(() => {}); // what is wrong is said by the search below, or the row stays unnamed
  if (known(row)) walkTo(known(row).name);
}

/** The place in the address, when the page is opened and when one goes back or forward. */
function arrive() {
  const here = readPlace(location.hash);
  trail = history.state?.trail ?? [stepOf(here)];
  show(here);
}

function stepOf(next) {
  const labels = { start: () => "", search: () => next.q, walk: () => titleOf(next.name), relation: () => triple(next) };
  return { hash: writePlace(next), label: labels[next.kind]() };
}

const titleOf = (name) => knownByName(name)?.title || name;

function triple({ relation, asked, given }) {
  return asked === "tail" ? `(${titleOf(given)}, ${relation}, ?)` : `(?, ${relation}, ${titleOf(given)})`;
}

// Questions and answers

async function show(next) {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  const reading = part("results").contains(document.activeElement) || part("walk").contains(document.activeElement);
  place = next;
  fillForms(next);
  drawWalk();
  showWaiting(true);
  try {
    if (next.kind === "start") {
      await showStart(signal);
    } else {
      const answer = await get(...requestOf(next), signal);
      await served.answeredBy(answer.index);
      signal.throwIfAborted();
      showAnswer(next, answer, signal);
      if (reading) (part("matches").querySelector("a") ?? part("results-heading")).focus();
    }
  } catch (error) {
    if (!signal.aborted) await fail(next, error, signal);
  } finally {
    if (!signal.aborted) showWaiting(false);
  }
}

function drawWalk() {
  showWalk(trail, (step) => go(readPlace(trail[step].hash), trail.slice(0, step)));
}

function showAnswer(next, answer, signal) {
  remember(answer.matches);
  const byRelation = next.kind === "relation";
  const given = byRelation ? answer[next.asked === "tail" ? "head" : "tail"] : answer.understood;
  const single = byRelation || (given !== null && !SUMS.includes(answer.mode));

  function head() {
    const title = byRelation ? triple({ ...next, given }) : single ? titleOf(given) : (given ?? next.q);
    const before = byRelation ? (next.asked === "tail" ? "Tails of " : "Heads of ") : "Nearest to ";
    showHeading([before, text("bdi", title)], byRelation ? [] : understoodLine(answer));
    document.title = `${title} – graphkit search`;
    if (next.kind !== "search") trail.at(-1).label = title;
    history.replaceState({ trail }, "");
    drawWalk();
    if (next.kind === "walk") query.value = title;
    map.highlight(answer.matches.map((match) => match.row), single ? knownByName(given)?.row : undefined);
  }

  head();
  showMatches(answer, next, (match) => walkTo(match.name));
  const first = answer.matches.slice(0, 3).map((match) => match.title || match.name).join(", ");
  say(answer.matches.length ? `${answer.matches.length} found: ${first}` : "Nothing found");
  if (single && !knownByName(given)) {
    // A shared address: what the row is called else, and where it lies on the map, is looked up.
    entityOf(given).then((entity) => entity && !signal.aborted && head(), () => {});
  }
}

/** Before the first question: some rows to begin with. */
async function showStart(signal) {
  showHeading([]);
  clearMatches();
  map.highlight([], undefined);
  document.title = "graphkit search";
  const { entities } = await get("entities", { offset: 0, limit: 4 * EXAMPLES }, signal);
  remember(entities);
  const readable = entities.filter(({ name, title }) => /[\p{L}\p{N}]/u.test(title || name)).slice(0, EXAMPLES);
  if (readable.length) showHints([entityLinks("For example", readable, place, ({ name }) => walkTo(name))]);
}

/** Say in words what went wrong, and offer what may have been meant. */
async function fail(next, error, signal) {
  const typed = { search: next.q, walk: next.name, relation: next.given, start: "" }[next.kind];
  const ours = !(error instanceof Trouble);
  showHeading(typed ? [text("bdi", typed)] : []);
  showTrouble(ours ? `This page made a mistake: ${error.message}` : error.message);
  map.highlight([], undefined);
  document.title = "graphkit search";
  if (ours) throw error;
  if (error.status === 0 || error.status >= 500) return showHints([againButton(next)]);
  if (!typed || error.status === 401) return;
  const found = await suggestions(typed, signal).catch(() => []);
  if (signal.aborted || !found.length) return;
  const go2 = next.kind === "relation"
    ? (entity) => go({ ...next, given: entity.name })
    : (entity) => go({ ...next, kind: "walk", name: entity.name });
  showHints([entityLinks("Perhaps", found, next, go2)]);
}

function againButton(next) {
  const again = text("button", "Try again");
  again.type = "button";
  again.addEventListener("click", () => {
    if (served.version === null) served.load();
    show(next);
  });
  return again;
}

// The forms

function fillForms(next) {
  if (next.kind === "search") query.value = next.q;
  if (next.kind === "walk") query.value = titleOf(next.name);
  if (next.kind === "relation") {
    query.value = "";
    relations.show(next);
  }
  part("count").value = next.k;
  part("where").value = next.where.join(", ");
  part("fuzzy").checked = next.fuzzy;
  if (next.where.length || next.fuzzy) part("options").open = true;
}

function options() {
  const count = part("count");
  return {
    k: count.checkValidity() ? count.valueAsNumber : place.k,
    where: conditions(part("where").value),
    fuzzy: part("fuzzy").checked,
  };
}

const box = makeCombobox(query, {
  suggest: async (typed, signal) => {
    const [, before, last] = /^(.*\S [-+] )(\S.*)$/su.exec(typed) ?? [null, "", typed];
    const found = await suggestions(last, signal);
    return found.map(({ name, title }) => {
      const titled = title && title !== name;
      return before || !titled
        ? { label: name, note: titled ? title : "", name, before }
        : { label: title, note: name, name, before };
    });
  },
  onTake: ({ label, name, before }) => {
    query.value = before + label;
    if (!before) go({ kind: "walk", name, ...options() }); // of a sum of names only the last one is complete
  },
});

part("search-form").addEventListener("submit", (event) => {
  event.preventDefault();
  box.close();
  if (query.value.trim()) go({ kind: "search", q: query.value, ...options() });
});
part("options-form").addEventListener("submit", (event) => event.preventDefault());
part("options-form").addEventListener("change", () => {
  if (!part("options-form").reportValidity()) return;
  if (place.kind === "start") place = { ...place, ...options() };
  else go({ ...place, ...options() }, trail.slice(0, -1));
});

// Keys

makeListKeys(query);
part("skip").addEventListener("click", () => part("results-heading").focus());
part("keys-button").addEventListener("click", () => part("keys").showModal());
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.matches("input:not([type=radio], [type=checkbox])")) return;
  if (event.key === "/") {
    event.preventDefault();
    query.focus();
    query.select();
  } else if (event.key.toLowerCase() === "m" && !document.body.classList.contains("no-map")) {
    map.focusByKeys();
  }
});

addEventListener("popstate", arrive);
onTokenWanted(askForToken);
// A token in the address opened the page; it is not to stay in the history.
if (location.search) history.replaceState(history.state, "", `./${location.hash}`);
arrive();
served.load();
