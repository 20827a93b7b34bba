// The form that asks by relation: of (head, relation, tail) the relation and one side are given, the other is asked for.

import { makeCombobox } from "./combobox.js";
import { entityOf, suggestions } from "./api.js";

const LISTED = 200; // relations in the list at once: those that match best come first

const part = (id) => document.getElementById(id);

/**
 * The form; it stays hidden until `load` brings relations.
 * @param ask ({relation, asked, given}) => void.
 * @returns {load, show}: relations [{name, head, tail, sides}] to choose from, and a place to write into the form.
 */
export function makeRelations(ask) {
  let relations = [];
  let fewTypes = true;
  let taken = null; // the suggestion in the box, whose name is not always what the box shows
  const name = part("relation-name");
  const given = part("given");
  const asked = () => (part("side-head").checked ? "head" : "tail");
  function update() {
    const relation = relations.find((each) => each.name === name.value);
    for (const side of ["head", "tail"]) {
      const possible = !relation || relation.sides === "both" || relation.sides === `${side}s`;
      part(`side-${side}`).disabled = !possible;
      if (!possible && part(`side-${side}`).checked) part(side === "head" ? "side-tail" : "side-head").checked = true;
    }
    part("given-label").textContent = asked() === "tail" ? "Head" : "Tail";
    const types = relation && !fewTypes ? `${relation.head} → ${relation.tail}` : "";
    const only = relation && relation.sides !== "both" ? `only its ${relation.sides} can be asked for` : "";
    part("relation-types").textContent = [types, only].filter(Boolean).join(", ");
  }

  makeCombobox(name, {
    atOnce: true,
    suggest: (typed) => matching(relations, typed).map((relation) => ({
      label: relation.name,
      note: fewTypes ? "" : `${relation.head} → ${relation.tail}`,
    })),
    onTake: ({ label }) => {
      name.value = label;
      update();
      given.focus();
    },
  });
  const entities = makeCombobox(given, {
    suggest: async (typed, signal) =>
      (await suggestions(typed, signal)).map((entity) => ({
        label: entity.title || entity.name,
        note: entity.title ? entity.name : "",
        entity,
      })),
    onTake: ({ label, entity }) => {
      given.value = label;
      taken = entity;
    },
  });
  given.addEventListener("input", () => (taken = null));
  name.addEventListener("input", update);
  for (const side of ["head", "tail"]) part(`side-${side}`).addEventListener("change", update);
  part("relation-form").addEventListener("submit", (event) => {
    event.preventDefault();
    entities.close();
    ask({ relation: name.value, asked: asked(), given: taken?.name ?? given.value });
  });

  return {
    load(list) {
      relations = list;
      fewTypes = new Set(list.flatMap(({ head, tail }) => [head, tail])).size < 2;
      part("relation").hidden = !list.length;
      update();
    },
    async show(place) {
      part("relation").open = true;
      name.value = place.relation;
      part(`side-${place.asked}`).checked = true;
      update();
      if (taken?.name === place.given) return;
      given.value = place.given;
      const entity = await entityOf(place.given).catch(() => undefined);
      if (!entity || given.value !== place.given) return;
      taken = entity;
      given.value = entity.title || entity.name;
    },
  };
}

/** Relations whose name holds what was typed, those that begin so first; all of them where the name is complete. */
function matching(relations, typed) {
  const wanted = typed.trim().toLowerCase();
  if (relations.some(({ name }) => name === typed)) return relations.slice(0, LISTED);
  const place = ({ name }) => name.toLowerCase().indexOf(wanted);
  return relations
    .filter((relation) => place(relation) >= 0)
    .sort((one, other) => (place(one) > 0) - (place(other) > 0))
    .slice(0, LISTED);
}
