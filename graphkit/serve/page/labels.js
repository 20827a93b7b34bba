// Names beside points, as many as fit without one lying on another.

const LONGEST = 36; // characters of a name that are shown
const GAP = 9; // pixels between a point and its name

/** A name short enough for the map, without characters that would break the line. */
export function shortName(name) {
  const line = name.replace(/\s+/gu, " ").trim();
  const letters = Array.from(line);
  return letters.length > LONGEST ? `${letters.slice(0, LONGEST - 1).join("")}…` : line;
}

/**
 * Write names beside their points, the first ones first; one that finds no room is left out.
 * @param context the canvas's, its font and sizes in CSS pixels.
 * @param wanted [{x, y, name, strong}] in pixels of the canvas.
 * @returns how many were written.
 */
export function drawLabels(context, width, height, wanted, colours) {
  const taken = wanted.filter(({ strong }) => strong).map(({ x, y }) => [x - 5, y - 5, x + 5, y + 5]);
  let written = 0;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  for (const { x, y, name, strong } of wanted) {
    const label = shortName(name);
    context.font = `${strong ? "600 " : ""}13px ${colours.font}`;
    const long = context.measureText(label).width;
    const places = [[x + GAP, y], [x - GAP - long, y], [x - long / 2, y - 15], [x - long / 2, y + 15]];
    const place = places.find(([left, middle]) => {
      const box = [left - 2, middle - 8, left + long + 2, middle + 8];
      if (box[0] < 0 || box[1] < 0 || box[2] > width || box[3] > height) return false;
      return !taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1]);
    });
    if (!place) continue;
    taken.push([place[0] - 2, place[1] - 8, place[0] + long + 2, place[1] + 8]);
    context.lineWidth = 4; // a rim of the background, so that the name is read among points
    context.strokeStyle = colours.ground;
    context.strokeText(label, ...place);
    context.fillStyle = strong ? colours.ink : colours.muted;
    context.fillText(label, ...place);
    written++;
  }
  return written;
}
