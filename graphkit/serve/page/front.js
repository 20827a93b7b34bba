// What lies on top of the points: the matches, the row asked about, names, the point that is meant and its label.

import { text } from "./combobox.js";
import { drawLabels } from "./labels.js";

const BESIDE = 14; // pixels between a point and its label

export class Front {
  /** @param canvas that lies on the points. @param tip the element that names the point that is meant. */
  constructor(canvas, tip) {
    this.context = canvas.getContext("2d");
    this.tip = tip;
  }

  /**
   * Draw all of it anew; returns how many names found room.
   * @param size {x, y} of the canvas in CSS pixels. @param dense pixels per CSS pixel. @param inks colours and font.
   * @param place (point) => [x, y]. @param words (point) => {name, title} where known.
   * @param matches, others points to name, and `asked`, `hovered`, one point each or -1. @param cross whether the
   *   middle is marked, for who moves by keys.
   */
  draw({ size, dense, inks, place, words, matches, asked, others, hovered, cross }) {
    const { context } = this;
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.clearRect(0, 0, size.x, size.y);
    for (const point of matches) this.#ring(place(point), 4.5, inks.ground, 1.5, inks.match);
    if (asked >= 0) {
      this.#ring(place(asked), 8, inks.ground, 5);
      this.#ring(place(asked), 8, inks.asked, 2.5);
    }
    const marked = new Set(asked >= 0 ? [asked, ...matches] : matches);
    const labels = [];
    for (const point of new Set([...marked, ...others])) {
      const entity = point === hovered ? undefined : words(point);
      const [x, y] = place(point);
      if (entity) labels.push({ x, y, name: entity.title || entity.name, strong: marked.has(point) });
    }
    const written = drawLabels(context, size.x, size.y, labels, inks);
    if (hovered >= 0) this.#ring(place(hovered), 6, inks.ink, 2);
    if (cross) this.#cross(size.x / 2, size.y / 2, inks.ink);
    return written;
  }

  #ring([x, y], radius, stroke, line, fill = "") {
    const { context } = this;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    if (fill) {
      context.fillStyle = fill;
      context.fill();
    }
    context.strokeStyle = stroke;
    context.lineWidth = line;
    context.stroke();
  }

  #cross(x, y, stroke) {
    const { context } = this;
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 10 * dx, y + 10 * dy);
      context.lineTo(x + 20 * dx, y + 20 * dy);
    }
    context.strokeStyle = stroke;
    context.lineWidth = 1.5;
    context.stroke();
  }

  /** Show what a point is called beside it, on the side where there is room; no entity, no label. */
  showTip(entity, kind, [px, py], { x, y }) {
    const { tip } = this;
    tip.hidden = !entity;
    if (!entity) return;
    const named = entity.title && entity.title !== entity.name ? entity.name : "";
    tip.replaceChildren(
      text("bdi", entity.title || entity.name),
      text("span", [named, kind].filter(Boolean).join(" · ")),
    );
    const [wide, high] = [tip.offsetWidth, tip.offsetHeight];
    const left = px + BESIDE + wide > x ? px - BESIDE - wide : px + BESIDE;
    const top = py + BESIDE + high > y ? py - BESIDE - high : py + BESIDE;
    tip.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, top)}px)`;
  }
}
