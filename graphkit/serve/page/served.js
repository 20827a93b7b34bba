// What belongs to the index that is served: its facts, its relations, its map. Another index may come while the page is
// open; answers tell which one they are from.

import { forget, get } from "./api.js";
import { text } from "./combobox.js";

const METHODS = { pca: "PCA", tsne: "t-SNE" };

const part = (id) => document.getElementById(id);
const counted = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

export class Served {
  /** @param map the `PointMap`. @param relations the form of `makeRelations`. */
  constructor(map, relations) {
    this.map = map;
    this.relations = relations;
    this.version = null;
    this.method = null; // of the map, once the person has chosen one
    this.loads = 0; // of the map: the last one counts
  }

  /** Told which index answered: where it is another one than before, everything is loaded anew. */
  async answeredBy(version) {
    const before = this.version;
    this.version = version;
    if (before === null || before === version) return;
    forget();
    await this.load();
  }

  /** Ask for all that is shown of the index; each part is shown when it is there, and without the others. */
  async load() {
    const health = get("health").then((found) => this.#showFacts(found)).catch(() => null);
    const relations = get("relations").then((found) => this.relations.load(found.relations)).catch(() => {});
    const drawn = this.#loadMap(health);
    await Promise.all([health, relations, drawn]);
  }

  #showFacts(health) {
    this.version ??= health.index;
    part("facts").textContent =
      `${counted(health.rows, "row")} · ${counted(health.dimension, "number")} each · ${health.metric} · ${health.factory}`;
    return health;
  }

  async #loadMap(health) {
    const caption = part("map-caption");
    const load = ++this.loads;
    caption.textContent = "Loading the map …";
    try {
      const data = await this.#fetchMap();
      if (load !== this.loads) return;
      this.map.load(data);
      this.#showMethods(data, health);
      document.body.classList.toggle("no-map", !data.rows.length);
      const rows = (await health)?.rows ?? 0;
      const all = rows > data.rows.length ? ` of ${rows.toLocaleString("en")}` : "";
      const shown = `${METHODS[data.method] ?? data.method}, ${counted(data.rows.length, "row")}${all}`;
      if (load !== this.loads) return;
      caption.textContent = shown;
      part("marks").setAttribute("aria-label", `Map by ${shown}`);
    } catch (error) {
      if (load !== this.loads) return;
      if (error.status === 404) document.body.classList.add("no-map");
      caption.textContent = error.message;
    }
  }

  /** The map that was chosen; where this index has none of that kind, the one it begins with. */
  async #fetchMap() {
    if (this.method === null) return get("map");
    try {
      return await get("map", { method: this.method });
    } catch (error) {
      if (error.status !== 404) throw error;
      this.method = null;
      return get("map");
    }
  }

  /** Offer the choice where there is one. Radio buttons that are there already stay, and keep the focus. */
  #showMethods({ method, methods = [method] }, health) {
    const choice = part("map-methods");
    choice.hidden = methods.length < 2;
    const buttons = [...choice.querySelectorAll("input")];
    if (buttons.map((button) => button.value).join() === methods.join()) {
      for (const button of buttons) button.checked = button.value === method;
      return;
    }
    for (const label of choice.querySelectorAll("label")) label.remove();
    choice.append(...methods.map((value) => {
      const button = document.createElement("input");
      Object.assign(button, { type: "radio", name: "map-method", value, checked: value === method });
      button.addEventListener("change", () => {
        this.method = value;
        this.#loadMap(health);
      });
      const label = text("label", "", "check");
      label.append(button, METHODS[value] ?? value);
      return label;
    }));
  }
}
