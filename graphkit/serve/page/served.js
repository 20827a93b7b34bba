// What belongs to the index that is served: its facts, its relations, its map. Another index may come while the page is
// open; answers tell which one they are from.

import { forget, get } from "./api.js";

const METHODS = { pca: "PCA", tsne: "t-SNE", umap: "UMAP" };

const part = (id) => document.getElementById(id);
const counted = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

export class Served {
  /** @param map the `PointMap`. @param relations the form of `makeRelations`. */
  constructor(map, relations) {
    this.map = map;
    this.relations = relations;
    this.version = null;
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
    try {
      const data = await get("map");
      this.map.load(data);
      document.body.classList.toggle("no-map", !data.rows.length);
      const rows = (await health)?.rows ?? 0;
      const all = rows > data.rows.length ? ` of ${rows.toLocaleString("en")}` : "";
      const shown = `${METHODS[data.method] ?? data.method}, ${counted(data.rows.length, "row")}${all}`;
      caption.textContent = shown;
      part("marks").setAttribute("aria-label", `Map by ${shown}`);
    } catch (error) {
      if (error.status === 404) document.body.classList.add("no-map");
      caption.textContent = error.message;
    }
  }
}
