// Kinds of rows: their colours, and the legend, where some can be chosen to be shown alone.

import { text } from "./combobox.js";

const COLOURS = 9; // --kind-1 to --kind-9 in the style sheet; the rarer kinds share --kind-other

/** Colours of the style sheet as they come out in the present theme, and mixtures of them, as 0xAABBGGRR. */
function readColour(name) {
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  probe.style.color = `var(${name})`;
  const channels = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number);
  probe.remove();
  return channels;
}

const packed = ([red, green, blue]) => (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;
const css = (channels) => `rgb(${channels.join(" ")})`;

export class Kinds {
  /** @param list the legend's <ul>. @param onChange called when other kinds are shown than before. */
  constructor(list, onChange) {
    this.list = list;
    this.onChange = onChange;
    this.names = [];
    this.entries = [];
    this.chosen = new Set(); // numbers of the kinds that are shown; all of them where none is chosen
    document.addEventListener("themechange", () => (this.read = null));
  }

  /** @param names of the kinds. @param kindOf Uint8Array(M). */
  load(names, kindOf) {
    if (names.join("\n") !== this.names.join("\n")) this.chosen.clear();
    this.names = names;
    this.read = null;
    const counts = new Uint32Array(Math.max(256, names.length));
    for (const kind of kindOf) counts[kind]++;
    const order = [...names.keys()].filter((kind) => counts[kind]).sort((one, other) => counts[other] - counts[one]);
    const own = order.length > COLOURS + 1 ? order.slice(0, COLOURS) : order;
    this.colourOf = new Map(order.map((kind, place) => [kind, place < COLOURS ? `--kind-${place + 1}` : "--kind-other"]));
    this.entries = own.map((kind) => ({ kinds: [kind], words: names[kind], count: counts[kind] }));
    const others = order.slice(own.length);
    if (others.length) {
      const count = others.reduce((sum, kind) => sum + counts[kind], 0);
      this.entries.push({ kinds: others, words: `${others.length} other kinds`, count });
    }
    this.#showLegend();
  }

  get several() {
    return this.entries.length > 1;
  }

  name(kind) {
    return this.names[kind] ?? "";
  }

  shown(kind) {
    return !this.chosen.size || this.chosen.has(kind);
  }

  #showLegend() {
    this.list.hidden = !this.several;
    this.list.replaceChildren(...this.entries.map((entry) => {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", String(entry.kinds.every((kind) => this.chosen.has(kind))));
      const dot = document.createElement("span");
      dot.className = "dot";
      dot.style.background = `var(${this.colourOf.get(entry.kinds[0])})`;
      button.append(dot, text("bdi", entry.words), text("span", entry.count.toLocaleString("en"), "muted"));
      button.addEventListener("click", () => {
        const choose = button.getAttribute("aria-pressed") === "false";
        button.setAttribute("aria-pressed", String(choose));
        for (const kind of entry.kinds) this.chosen[choose ? "add" : "delete"](kind);
        this.read = null;
        this.onChange();
      });
      const item = document.createElement("li");
      item.append(button);
      return item;
    }));
  }

  #colours() {
    if (this.read) return this.read;
    const ground = readColour("--ground");
    const full = new Uint32Array(256);
    const faint = new Uint32Array(256); // under the matches
    for (const [kind, name] of this.colourOf ?? []) {
      if (!this.shown(kind)) continue;
      const colour = readColour(name);
      full[kind] = packed(colour);
      faint[kind] = packed(colour.map((channel, place) => Math.round(0.45 * channel + 0.55 * ground[place])));
    }
    this.read = {
      full, faint,
      ground: packed(ground),
      inks: {
        ground: css(ground),
        ink: css(readColour("--ink")),
        muted: css(readColour("--muted")),
        match: css(readColour("--match")),
        asked: css(readColour("--accent")),
        font: getComputedStyle(document.body).fontFamily,
      },
    };
    return this.read;
  }

  /** {ground, ofKind}: numbers to fill pixels with; faint where matches are to stand out. */
  colours(faint) {
    const read = this.#colours();
    return { ground: read.ground, ofKind: faint ? read.faint : read.full };
  }

  /** Colours of marks and labels, as the canvas takes them. */
  inks() {
    return this.#colours().inks;
  }
}
