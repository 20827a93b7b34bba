// Thousands of points as pixels, and which of them lies under the pointer.
//
// Discs are blended into an array of pixels rather than asked of the canvas one by one: 50,000 of them take some
// milliseconds, without a GPU, alike in all browsers. A disc is a mask of coverages made once per radius, in 4 x 4
// positions within a pixel, so that points neither jump nor shimmer as the view moves.
//
// Axes: M points. World coordinates are -1 to 1, y upwards; a view is {x, y, scale}: the world point in the middle, and
// pixels per unit.

const STEPS = 4; // positions of a disc within a pixel, each way
const FINE = 4; // samples per pixel and way that a coverage is counted by

/**
 * A disc: {half, masks}; masks[sy * STEPS + sx] is {xs, ys, covers}, its pixels from the middle one on and how far each
 * is covered, up to 256 * opacity.
 */
export function makeDisc(radius, opacity = 1) {
  const half = Math.ceil(radius) + 1;
  const masks = [];
  for (let place = 0; place < STEPS * STEPS; place++) {
    const middle = [((place % STEPS) + 0.5) / STEPS, (Math.floor(place / STEPS) + 0.5) / STEPS];
    const pixels = [];
    for (let y = -half; y <= half; y++) {
      for (let x = -half; x <= half; x++) {
        const cover = Math.round(256 * opacity * covered(x - middle[0], y - middle[1], radius));
        if (cover) pixels.push([x, y, cover]);
      }
    }
    masks.push({
      xs: Int32Array.from(pixels, ([x]) => x),
      ys: Int32Array.from(pixels, ([, y]) => y),
      covers: Int32Array.from(pixels, ([, , cover]) => cover),
    });
  }
  return { half, masks };
}

/** The share of the pixel whose corner is (x, y) that lies in a disc around the origin. */
function covered(x, y, radius) {
  let inside = 0;
  for (let fine = 0; fine < FINE * FINE; fine++) {
    const dx = x + ((fine % FINE) + 0.5) / FINE;
    const dy = y + (Math.floor(fine / FINE) + 0.5) / FINE;
    if (dx * dx + dy * dy <= radius * radius) inside++;
  }
  return inside / (FINE * FINE);
}

/**
 * Blend a disc into `pixels` for each point that is in view; returns how many were.
 * @param pixels Uint32Array(width * height), 0xAABBGGRR, opaque.
 * @param points Float32Array(2 M). @param kinds Uint8Array(M).
 * @param colours Uint32Array(256), the colour of each kind; 0 leaves the kind out.
 */
export function drawPoints(pixels, width, height, view, points, kinds, colours, disc) {
  const { half, masks } = disc;
  const { scale } = view;
  const left = width / 2 - view.x * scale;
  const top = height / 2 + view.y * scale;
  let drawn = 0;
  for (let i = 0; i < kinds.length; i++) {
    const colour = colours[kinds[i]];
    if (colour === 0) continue;
    const px = left + points[2 * i] * scale;
    const py = top - points[2 * i + 1] * scale;
    if (!(px > -half && px < width + half && py > -half && py < height + half)) continue;
    drawn++;
    const x0 = Math.floor(px);
    const y0 = Math.floor(py);
    const { xs, ys, covers } = masks[((py - y0) * STEPS | 0) * STEPS + ((px - x0) * STEPS | 0)];
    const whole = x0 >= half && y0 >= half && x0 + half < width && y0 + half < height;
    const redBlue = colour & 0xff00ff;
    const green = colour & 0x00ff00;
    for (let k = 0; k < covers.length; k++) {
      const x = x0 + xs[k];
      const y = y0 + ys[k];
      if (!whole && (x < 0 || y < 0 || x >= width || y >= height)) continue;
      const at = y * width + x;
      const under = pixels[at];
      const cover = covers[k];
      const rest = 256 - cover;
      // Red and blue in one multiplication, eight bits between them: at most 0xff00ff * 256, which is 32 bits.
      const mixed = ((Math.imul(redBlue, cover) + Math.imul(under & 0xff00ff, rest)) >>> 8) & 0xff00ff;
      const mixedGreen = ((Math.imul(green, cover) + Math.imul(under & 0x00ff00, rest)) >>> 8) & 0x00ff00;
      pixels[at] = 0xff000000 | mixed | mixedGreen;
    }
  }
  return drawn;
}

/** Points by cells of a square grid, to find the nearest one and those in a rectangle without looking at all. */
export class Grid {
  constructor(points) {
    const count = points.length / 2;
    this.points = points;
    this.side = Math.max(1, Math.min(512, Math.ceil(Math.sqrt(count / 2))));
    const cell = new Uint32Array(count);
    this.starts = new Uint32Array(this.side * this.side + 1);
    for (let i = 0; i < count; i++) {
      cell[i] = this.#line(points[2 * i + 1]) * this.side + this.#line(points[2 * i]);
      this.starts[cell[i] + 1]++;
    }
    for (let c = 0; c < this.side * this.side; c++) this.starts[c + 1] += this.starts[c];
    const next = this.starts.slice(0, -1);
    this.items = new Uint32Array(count);
    for (let i = 0; i < count; i++) this.items[next[cell[i]]++] = i;
  }

  #line(coordinate) {
    const line = Math.floor(((coordinate + 1) / 2) * this.side);
    return Math.max(0, Math.min(this.side - 1, line || 0));
  }

  /** Call `visit(point)` for each point of the cells that touch a rectangle; it may return false to stop. */
  within(x0, y0, x1, y1, visit) {
    const [left, right, low, high] = [x0, x1, y0, y1].map((coordinate) => this.#line(coordinate));
    for (let line = low; line <= high; line++) {
      const end = this.starts[line * this.side + right + 1];
      for (let place = this.starts[line * this.side + left]; place < end; place++) {
        if (visit(this.items[place]) === false) return;
      }
    }
  }

  /** The point nearest to (x, y) within `reach`, of those that `wanted(point)`; -1 where there is none. */
  nearest(x, y, reach, wanted = () => true) {
    let best = -1;
    let least = reach * reach;
    this.within(x - reach, y - reach, x + reach, y + reach, (point) => {
      const dx = this.points[2 * point] - x;
      const dy = this.points[2 * point + 1] - y;
      const distance = dx * dx + dy * dy;
      if (distance <= least && wanted(point)) {
        best = point;
        least = distance;
      }
    });
    return best;
  }
}
