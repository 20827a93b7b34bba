// Where one is on the page, as it is written behind the # of its address: what can be shared and gone back to.
//
//   #q=king              what was typed             #name=king           the neighbours of exactly this name
//   #relation=r&head=a   the tails of (a, r, ?)     #relation=r&tail=b   the heads of (?, r, b)
//
// each with k=, where= (repeated) and fuzzy=1 where these are not the usual ones.

export const USUAL = { k: 10, where: [], fuzzy: false };

/** The place that an address's hash names. */
export function readPlace(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const k = Number.parseInt(given.get("k") ?? "", 10);
  const options = {
    k: k >= 1 ? k : USUAL.k,
    where: given.getAll("where").filter((condition) => condition.trim()),
    fuzzy: given.get("fuzzy") === "1",
  };
  if (given.has("relation")) {
    const asked = given.has("tail") ? "head" : "tail";
    const known = given.get(asked === "tail" ? "head" : "tail") ?? "";
    return { kind: "relation", relation: given.get("relation"), asked, given: known, ...options };
  }
  if (given.has("name")) return { kind: "walk", name: given.get("name"), ...options };
  if (given.get("q")?.trim()) return { kind: "search", q: given.get("q"), ...options };
  return { kind: "start", ...options };
}

/** The hash that names a place; what is as usual is left out. */
export function writePlace(place) {
  const out = new URLSearchParams();
  if (place.kind === "search") out.set("q", place.q);
  if (place.kind === "walk") out.set("name", place.name);
  if (place.kind === "relation") {
    out.set("relation", place.relation);
    out.set(place.asked === "tail" ? "head" : "tail", place.given);
  }
  if (place.k !== USUAL.k) out.set("k", String(place.k));
  for (const condition of place.where) out.append("where", condition);
  if (place.fuzzy && place.kind === "search") out.set("fuzzy", "1");
  const text = out.toString();
  return text ? `#${text}` : "";
}

/** Path and parameters of the request that answers a place. */
export function requestOf(place) {
  const options = [["k", String(place.k)], ...place.where.map((condition) => ["where", condition])];
  if (place.kind === "relation") {
    const known = place.asked === "tail" ? "head" : "tail";
    return ["relation", [["relation", place.relation], [known, place.given], options[0]]];
  }
  if (place.kind === "walk") return ["neighbors", [["name", place.name], ...options]];
  return ["search", [["q", place.q], ...options, ...(place.fuzzy ? [["fuzzy", "1"]] : [])]];
}

/** Typed conditions, "type=film, year>=1990", as a list; a comma within a value ("city=Paris, France") is its own. */
export function conditions(text) {
  return text.split(/,(?=[^,]*?[=<>])/).map((condition) => condition.trim()).filter(Boolean);
}
