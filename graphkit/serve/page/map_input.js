// Pointer, wheel and keys on the map.

const STEP = 0.15; // of the shorter side, by an arrow key
const NEARER = 1.5; // by a key or a button
const STILL = 4; // pixels a pointer may move and still click

/** Let the person move a `PointMap`. */
export function makeInput(map) {
  const { marks, root } = map;
  const down = new Map(); // pointers that are pressed: id -> [x, y]
  let moved = false;
  let start = [0, 0];

  const place = (event) => {
    const box = marks.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const middle = () => {
    const { x, y } = map.size();
    return [x / 2, y / 2];
  };
  const pinch = () => {
    const [[x0, y0], [x1, y1]] = [...down.values()];
    return { x: (x0 + x1) / 2, y: (y0 + y1) / 2, apart: Math.hypot(x1 - x0, y1 - y0) };
  };

  marks.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    map.byKeys = false;
    marks.setPointerCapture(event.pointerId);
    if (!down.size) {
      moved = false;
      start = place(event);
    } else {
      moved = true; // two fingers never click
    }
    down.set(event.pointerId, place(event));
  });

  marks.addEventListener("pointermove", (event) => {
    const at = place(event);
    const before = down.get(event.pointerId);
    if (!before) {
      map.byKeys = false;
      map.hover(map.at(...at));
      return;
    }
    if (!moved && Math.hypot(at[0] - start[0], at[1] - start[1]) <= STILL) return;
    moved = true;
    map.hover(-1);
    const two = down.size === 2 ? pinch() : null;
    down.set(event.pointerId, at);
    if (two) {
      const now = pinch();
      map.panBy(now.x - two.x, now.y - two.y);
      if (two.apart > 0 && now.apart > 0) map.zoomAt(now.apart / two.apart, now.x, now.y);
    } else if (down.size === 1) {
      map.panBy(at[0] - before[0], at[1] - before[1]);
    }
  });

  const up = (event) => {
    const pressed = down.delete(event.pointerId);
    if (pressed && event.type === "pointerup" && !moved) map.pick(map.at(...place(event)));
  };
  marks.addEventListener("pointerup", up);
  marks.addEventListener("pointercancel", up);
  marks.addEventListener("pointerleave", () => {
    if (!map.byKeys) map.hover(-1);
  });

  marks.addEventListener("wheel", (event) => {
    event.preventDefault();
    map.byKeys = false;
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1;
    const far = Math.max(-240, Math.min(240, event.deltaY * lines));
    map.zoomAt(Math.exp(-far * (event.ctrlKey ? 0.01 : 0.002)), ...place(event)); // ctrlKey: a pinch on a touchpad
  }, { passive: false });

  const keys = {
    "+": () => map.step(NEARER),
    "=": () => map.step(NEARER),
    "-": () => map.step(1 / NEARER),
    0: () => map.showAll(),
    f: () => map.showMatches(),
    ArrowLeft: () => map.step(1, -STEP, 0),
    ArrowRight: () => map.step(1, STEP, 0),
    ArrowUp: () => map.step(1, 0, STEP),
    ArrowDown: () => map.step(1, 0, -STEP),
    Enter: () => map.pick(map.hovered),
  };
  marks.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    map.byKeys = true;
    act();
  });
  marks.addEventListener("focus", () => {
    map.byKeys = marks.matches(":focus-visible");
    map.redraw();
  });
  marks.addEventListener("blur", () => {
    map.byKeys = false;
    map.hover(-1);
    map.redraw();
  });

  root.querySelector("#zoom-in").addEventListener("click", () => map.step(NEARER));
  root.querySelector("#zoom-out").addEventListener("click", () => map.step(1 / NEARER));
  root.querySelector("#show-all").addEventListener("click", () => map.showAll());
  root.querySelector("#show-matches").addEventListener("click", () => map.showMatches());
}
