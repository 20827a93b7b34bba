// The map: every row a point, the matches on top of them with their names.
//
// Two canvases lie on each other: `points` for all rows, drawn as pixels (points.js), and `marks` for the few things that
// are drawn anew as the pointer moves (front.js). `marks` has the focus and the input (map_input.js).

import { makeInput } from "./map_input.js";
import { Grid, drawPoints, makeDisc } from "./points.js";
import { Kinds } from "./kinds.js";
import { Front } from "./front.js";

const FITS = 0.92; // of the canvas, for all points
const [FARTHEST, NEAREST] = [0.5, 5000]; // zoom, 1 for all points
const NAMED = 40; // points in view from which on all of them are named
const REACH = 14; // pixels around the pointer in which a point is found
const LOOKED_UP = 60; // rows whose names are asked for at once
const MOVE = 220; // ms of an animated move

const still = matchMedia("(prefers-reduced-motion: reduce)");

export class PointMap {
  /**
   * @param root the section. @param names {known(row), nameRows(rows)}: what rows are called.
   * @param onPick (row) => void. @param say (words) => void, for who cannot see the map.
   */
  constructor(root, { names, onPick, say }) {
    this.root = root;
    this.names = names;
    this.onPick = onPick;
    this.say = say;
    this.base = root.querySelector("#points");
    this.marks = root.querySelector("#marks");
    this.front = new Front(this.marks, root.querySelector("#map-tip"));
    this.kinds = new Kinds(root.querySelector("#kinds"), () => this.redraw());
    this.view = { x: 0, y: 0, zoom: 1 };
    this.wanted = { rows: [], asked: undefined }; // rows to mark, perhaps before the map is there
    this.matches = []; // their points, nearest first
    this.asked = -1; // the point of the row that was asked about
    this.hovered = -1;
    this.byKeys = false; // whether the point in the middle is meant
    this.#clear();
    makeInput(this);
    new ResizeObserver(() => this.redraw()).observe(this.marks);
    document.addEventListener("themechange", () => this.redraw());
  }

  #clear() {
    this.points = new Float32Array(0);
    this.bounds = [[-1, 1], [-1, 1]];
    this.kindOf = new Uint8Array(0);
    this.rows = [];
    this.pointOf = new Map();
    this.grid = new Grid(this.points);
  }

  /** Take what /map answers. */
  load(data) {
    this.points = new Float32Array(bytes(data.points).buffer);
    this.bounds = [boundsOf(this.points, 0), boundsOf(this.points, 1)];
    this.kindOf = bytes(data.kind);
    this.rows = data.rows;
    this.pointOf = new Map(data.rows.map((row, point) => [row, point]));
    this.grid = new Grid(this.points);
    this.kinds.load(data.kinds, this.kindOf);
    this.hovered = -1;
    this.view = this.#all();
    this.highlight(this.wanted.rows, this.wanted.asked);
  }

  /** Mark the rows of an answer, and the row asked about if it is known. */
  highlight(rows, asked) {
    this.wanted = { rows, asked };
    this.matches = rows.map((row) => this.pointOf.get(row)).filter((point) => point !== undefined);
    this.asked = this.pointOf.get(asked) ?? -1;
    this.root.querySelector("#show-matches").hidden = !this.#marked().length;
    this.root.dataset.matches = String(this.matches.length);
    const { x, y } = this.size();
    const seen = this.#marked().some((point) => {
      const [px, py] = this.place(point);
      return px > 0 && py > 0 && px < x && py < y;
    });
    if (this.#marked().length && !seen) this.showMatches();
    else this.redraw();
  }

  #marked() {
    return this.asked < 0 ? this.matches : [this.asked, ...this.matches];
  }

  size() {
    return { x: this.marks.clientWidth, y: this.marks.clientHeight };
  }

  /** CSS pixels per unit; at a zoom of 1 all points are in view, where the view is that of `#all`. */
  scale(view = this.view) {
    const { x, y } = this.size();
    const [wide, high] = this.bounds.map(([low, top]) => Math.max(top - low, 1e-6));
    return FITS * Math.max(1e-6, Math.min(x / wide, y / high)) * view.zoom;
  }

  #all() {
    const [x, y] = this.bounds.map(([low, top]) => (low + top) / 2);
    return { x, y, zoom: 1 };
  }

  /** Where a point lies on the canvas, in CSS pixels. */
  place(point) {
    const { x, y } = this.size();
    const scale = this.scale();
    return [
      x / 2 + (this.points[2 * point] - this.view.x) * scale,
      y / 2 - (this.points[2 * point + 1] - this.view.y) * scale,
    ];
  }

  #shown = (point) => this.kinds.shown(this.kindOf[point]);

  /** The point under a place on the canvas, -1 for none. */
  at(px, py, reach = REACH) {
    const { x, y } = this.size();
    const scale = this.scale();
    return this.grid.nearest(
      this.view.x + (px - x / 2) / scale, this.view.y - (py - y / 2) / scale, reach / scale, this.#shown,
    );
  }

  hover(point) {
    if (point === this.hovered) return;
    this.hovered = point;
    this.marks.style.cursor = point >= 0 ? "pointer" : "";
    this.#redrawMarks();
    clearTimeout(this.looking);
    if (point >= 0) this.looking = setTimeout(() => this.#tell(point), this.names.known(this.rows[point]) ? 0 : 50);
  }

  /** Look up the name of a point and of those around it, where the pointer may go next. */
  async #tell(point) {
    const around = [point];
    const reach = (2 * REACH) / this.scale();
    const [x, y] = [this.points[2 * point], this.points[2 * point + 1]];
    this.grid.within(x - reach, y - reach, x + reach, y + reach, (other) => {
      if (other !== point && this.#shown(other)) around.push(other);
      return around.length < LOOKED_UP;
    });
    await this.#lookUp(around);
    if (point === this.hovered && this.byKeys) this.say(this.#words(point));
  }

  async #lookUp(points) {
    try {
      await this.names.nameRows(points.map((point) => this.rows[point]));
    } catch {
      return; // the points stay without names; a search will say what is wrong
    }
    this.#redrawMarks();
  }

  #words(point) {
    const entity = this.names.known(this.rows[point]);
    if (!entity) return "";
    const title = entity.title && entity.title !== entity.name ? `${entity.title}, ` : "";
    const kind = this.kinds.several ? `, ${this.kinds.name(this.kindOf[point])}` : "";
    return `${title}${entity.name}${kind}`;
  }

  /** Take the focus, with the point in the middle named. */
  focusByKeys() {
    this.marks.focus();
    this.byKeys = true;
    this.redraw();
  }

  pick(point) {
    if (point >= 0) this.onPick(this.rows[point]);
  }

  panBy(dx, dy) {
    const scale = this.scale();
    this.#setView({ ...this.view, x: this.view.x - dx / scale, y: this.view.y + dy / scale });
  }

  /** Zoom about a place on the canvas, which stays where it is. */
  zoomAt(factor, px, py) {
    const { x, y } = this.size();
    const before = this.scale();
    const zoom = Math.min(NEAREST, Math.max(FARTHEST, this.view.zoom * factor));
    const after = this.scale({ zoom });
    const [dx, dy] = [px - x / 2, y / 2 - py];
    this.#setView({
      zoom,
      x: this.view.x + dx / before - dx / after,
      y: this.view.y + dy / before - dy / after,
    });
  }

  /** Zoom about the middle, or move by shares of the shorter side, in a short animation. */
  step(factor, right = 0, up = 0) {
    const from = this.moving?.to ?? this.view;
    const shorter = Math.min(this.size().x, this.size().y);
    const zoom = Math.min(NEAREST, Math.max(FARTHEST, from.zoom * factor));
    const far = shorter / this.scale(from);
    this.#moveTo({ zoom, x: from.x + right * far, y: from.y + up * far });
  }

  showAll() {
    this.#moveTo(this.#all());
  }

  showMatches() {
    const marked = this.#marked();
    if (!marked.length) return;
    const [xs, ys] = [0, 1].map((axis) => marked.map((point) => this.points[2 * point + axis]));
    const middle = (list) => (Math.min(...list) + Math.max(...list)) / 2;
    const span = (list) => Math.max(...list) - Math.min(...list);
    const { x, y } = this.size();
    const unit = this.scale({ zoom: 1 });
    const zoom = Math.min((0.7 * x) / (span(xs) * unit), (0.7 * y) / (span(ys) * unit), 200);
    this.#moveTo({ x: middle(xs), y: middle(ys), zoom: Math.max(1, zoom) });
  }

  #setView(view) {
    this.moving = null;
    this.view = view;
    this.redraw();
  }

  #moveTo(to) {
    const from = this.view;
    if (still.matches) return this.#setView(to);
    const began = performance.now();
    const moving = { to };
    this.moving = moving;
    const frame = (now) => {
      if (this.moving !== moving) return;
      const part = Math.min(1, Math.max(0, (now - began) / MOVE));
      const eased = 1 - (1 - part) ** 3;
      const zoom = from.zoom * (to.zoom / from.zoom) ** eased;
      // Moves as the zoom does, so that the target grows towards the middle without a detour.
      const gone = Math.abs(to.zoom / from.zoom - 1) < 1e-3
        ? eased
        : (1 / from.zoom - 1 / zoom) / (1 / from.zoom - 1 / to.zoom);
      this.view = { zoom, x: from.x + (to.x - from.x) * gone, y: from.y + (to.y - from.y) * gone };
      this.#draw();
      if (part < 1) requestAnimationFrame(frame);
      else this.moving = null;
    };
    requestAnimationFrame(frame);
  }

  redraw() {
    this.drawing ??= requestAnimationFrame(() => {
      this.drawing = null;
      this.#draw();
    });
  }

  #redrawMarks() {
    this.marking ??= requestAnimationFrame(() => {
      this.marking = null;
      this.#drawMarks();
    });
  }

  #draw() {
    const { x, y } = this.size();
    if (!x || !y) return;
    const dense = Math.min(2, devicePixelRatio || 1);
    const [width, height] = [Math.round(x * dense), Math.round(y * dense)];
    if (this.base.width !== width || this.base.height !== height || !this.image) {
      for (const canvas of [this.base, this.marks]) Object.assign(canvas, { width, height });
      this.image = this.base.getContext("2d").createImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    this.dense = dense;
    const colours = this.kinds.colours(this.#marked().length > 0);
    const roomy = Math.min(3, Math.max(1.15, 0.2 * Math.sqrt((x * y) / Math.max(1, this.rows.length))));
    const radius = Math.round(4 * Math.min(5, roomy * this.view.zoom ** 0.25) * dense) / 4;
    // Where points lie on each other, each covers less, so that the densest places still differ.
    const covered = (this.rows.length * Math.PI * (radius / dense) ** 2) / (x * y * Math.max(1, this.view.zoom ** 2));
    const opacity = Math.round(20 * Math.min(0.9, Math.max(0.4, 0.95 - Math.sqrt(covered)))) / 20;
    if (this.disc?.radius !== radius || this.disc.opacity !== opacity) {
      this.disc = { radius, opacity, ...makeDisc(radius, opacity) };
    }
    const view = { x: this.view.x, y: this.view.y, scale: this.scale() * dense };
    this.pixels.fill(colours.ground);
    this.inView = drawPoints(this.pixels, width, height, view, this.points, this.kindOf, colours.ofKind, this.disc);
    this.base.getContext("2d").putImageData(this.image, 0, 0);
    this.root.dataset.drawn = String(this.inView);
    if (this.rows.length) this.#markFirst();
    if (this.byKeys) this.hover(this.at(x / 2, y / 2, Math.min(x, y) / 2));
    this.#drawMarks();
    clearTimeout(this.naming);
    if (this.inView <= NAMED) this.naming = setTimeout(() => this.#lookUp(this.#pointsInView()), 120);
  }

  /** Tell browsers' profilers, and the benchmark, when there was a map to see. */
  #markFirst() {
    if (!performance.getEntriesByName("graphkit-map").length) performance.mark("graphkit-map");
  }

  #pointsInView() {
    const { x, y } = this.size();
    const [right, up] = [x / 2 / this.scale(), y / 2 / this.scale()];
    const found = [];
    this.grid.within(this.view.x - right, this.view.y - up, this.view.x + right, this.view.y + up, (point) => {
      const [px, py] = this.place(point);
      if (px >= 0 && py >= 0 && px <= x && py <= y && this.#shown(point)) found.push(point);
    });
    return found;
  }

  #drawMarks() {
    const words = (point) => this.names.known(this.rows[point]);
    this.root.dataset.labels = String(this.front.draw({
      size: this.size(),
      dense: this.dense ?? 1,
      inks: this.kinds.inks(),
      place: (point) => this.place(point),
      words,
      matches: this.matches,
      asked: this.asked,
      others: this.inView <= NAMED ? this.#pointsInView() : [],
      hovered: this.hovered,
      cross: this.byKeys,
    }));
    const kind = this.hovered >= 0 && this.kinds.several ? this.kinds.name(this.kindOf[this.hovered]) : "";
    this.front.showTip(words(this.hovered), kind, this.hovered >= 0 ? this.place(this.hovered) : [0, 0], this.size());
  }
}

function boundsOf(points, axis) {
  let [low, high] = [Infinity, -Infinity];
  for (let place = axis; place < points.length; place += 2) {
    low = Math.min(low, points[place]);
    high = Math.max(high, points[place]);
  }
  return low <= high ? [low, high] : [-1, 1];
}

function bytes(base64) {
  const text = atob(base64);
  const out = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) out[place] = text.charCodeAt(place);
  return out;
}
