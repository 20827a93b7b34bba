// The answer to a question as a list to read and to walk on from, and the way walked so far.

import { text } from "./combobox.js";
import { writePlace } from "./places.js";

const MODES = {
  "case-folded": "whatever the case",
  prefix: "the only one that begins so",
  fuzzy: "spelt most alike",
  analogy: "a sum of names, without these",
  text: "free text, by its words",
};
const SCORES = { cosine: "cosine", cos: "cosine", dot: "inner product", l2: "minus the distance" };
const CRUMBS = 8; // steps of a walk that are shown

const part = (id) => document.getElementById(id);

/** A number to compare by eye: three decimals, or four digits where it is large. */
export function scoreText(score) {
  if (!Number.isFinite(score)) return String(score);
  return (Math.abs(score) < 1000 ? score.toFixed(3) : score.toPrecision(4)).replace("-", "−");
}

/** Shares (0 to 1) to draw scores by: a cosine as it is, others between the least and the most of the list. */
export function shares(scores, metric) {
  if (metric === "cosine" || metric === "cos") return scores.map((score) => Math.min(1, Math.max(0, score)));
  const least = Math.min(...scores);
  const span = Math.max(...scores) - least;
  return scores.map((score) => (span > 0 ? 0.1 + (0.9 * (score - least)) / span : 1));
}

/** Show that an answer is awaited, with what was there before kept to read on. */
export function showWaiting(waiting) {
  part("results").setAttribute("aria-busy", String(waiting));
}

/** A heading, and the line under it. */
export function showHeading(pieces, understood = "") {
  part("results-heading").replaceChildren(...pieces);
  part("understood").textContent = "";
  part("understood").append(...[understood].flat());
  part("trouble").hidden = true;
  part("hints").hidden = true;
}

/** How a query was understood: "understood as king (prefix: the only one that begins so)". */
export function understoodLine({ understood, mode }) {
  const told = mode in MODES ? `${mode}: ${MODES[mode]}` : mode;
  if (understood === null) return [`understood as ${told}`];
  return ["understood as ", text("bdi", understood, "name"), ` (${told})`];
}

/**
 * Show matches as links to their neighbours.
 * @param answer what the service said. @param options {k, where} that the links keep. @param walk (match, event) => void.
 */
export function showMatches(answer, options, walk) {
  const list = part("matches");
  const { matches } = answer;
  const widths = shares(matches.map((match) => match.score), answer.metric);
  list.replaceChildren(...matches.map((match, place) => row(match, widths[place], options, walk)));
  list.dataset.metric = SCORES[answer.metric] ?? "score";
  if (!matches.length) {
    showHints([text("p", options.where.length
      ? "No other row meets these conditions. Take one away under Options."
      : "There is no other row to be near to it.")]);
  }
}

function row(match, share, options, walk) {
  const link = document.createElement("a");
  link.href = writePlace({ kind: "walk", name: match.name, k: options.k, where: options.where });
  const words = document.createElement("span");
  words.className = "words";
  words.append(text("bdi", match.title || match.name, "name"));
  if (match.title && match.title !== match.name) words.append(" ", text("bdi", match.name, "muted"));
  for (const [attribute, value] of Object.entries(match.attributes ?? {})) {
    if (value !== null && value !== "") words.append(" ", text("bdi", `${attribute} ${value}`, "attribute"));
  }
  const bar = document.createElement("span");
  bar.className = "bar";
  bar.setAttribute("aria-hidden", "true");
  const filled = document.createElement("span");
  filled.style.width = `${(100 * share).toFixed(1)}%`;
  bar.append(filled);
  link.append(text("span", String(match.rank), "rank"), words, text("span", scoreText(match.score), "score"), bar);
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button) return; // a new tab
    event.preventDefault();
    walk(match);
  });
  const item = document.createElement("li");
  item.dataset.row = String(match.row);
  item.append(link);
  return item;
}

/** Say in words why there is no answer. */
export function showTrouble(words) {
  part("matches").replaceChildren();
  part("understood").textContent = "";
  part("trouble").textContent = words;
  part("trouble").hidden = false;
  part("hints").hidden = true;
}

/** Show paragraphs or links where there are no matches. */
export function showHints(elements) {
  part("hints").replaceChildren(...elements);
  part("hints").hidden = !elements.length;
}

/** No matches, as before the first question. */
export function clearMatches() {
  part("matches").replaceChildren();
}

/** A line of links to entities, after some words. */
export function entityLinks(words, entities, options, go) {
  const line = text("p", words, "tries");
  for (const entity of entities) {
    const link = text("a", entity.title || entity.name);
    link.dir = "auto";
    link.href = writePlace({ kind: "walk", name: entity.name, k: options.k, where: options.where });
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button) return;
      event.preventDefault();
      go(entity);
    });
    line.append(" ", link);
  }
  return line;
}

/**
 * The way walked, each step a link back to it.
 * @param trail [{hash, label}], the last of which is where one is. @param goBack (number of the step) => void.
 */
export function showWalk(trail, goBack) {
  const first = Math.max(0, trail.length - CRUMBS);
  const items = trail.slice(first).map(({ hash, label }, place) => {
    const item = document.createElement("li");
    const link = text("a", label);
    link.dir = "auto";
    link.href = hash;
    if (first + place === trail.length - 1) link.setAttribute("aria-current", "page");
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button) return;
      event.preventDefault();
      goBack(first + place);
    });
    item.append(link);
    return item;
  });
  if (first > 0) items.unshift(text("li", `${first} more`, "muted"));
  part("walk").firstElementChild.replaceChildren(...items);
  part("walk").hidden = trail.length < 2;
}

/** Arrow keys go from one match to the next; from the first one up is where `above` says. */
export function makeListKeys(above) {
  part("matches").addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const links = [...part("matches").querySelectorAll("a")];
    const next = links.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
    event.preventDefault();
    if (next < 0) above.focus();
    else links[next]?.focus();
  });
}
