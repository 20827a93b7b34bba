// A text box with a list of suggestions, after the combobox pattern of the ARIA Authoring Practices: the focus stays in
// the box, arrow keys move through the list, Enter takes, Escape closes and then empties.

const WAIT = 60; // ms after a key before suggestions are asked for

/**
 * @param input the <input role="combobox">, whose aria-controls names its <ul role="listbox">.
 * @param suggest (text, signal) => list or promise of [{label, note, value}]; label is shown, note beside it.
 * @param onTake (suggestion) => void, when one is taken.
 * @param atOnce whether the list opens when the box is entered, for short lists that are known.
 */
export function makeCombobox(input, { suggest, onTake, atOnce = false }) {
  const list = document.getElementById(input.getAttribute("aria-controls"));
  let shown = [];
  let active = -1;
  let timer = 0;
  let pending = null;

  function close() {
    clearTimeout(timer);
    pending?.abort();
    list.hidden = true;
    shown = [];
    list.replaceChildren();
    activate(-1);
    input.setAttribute("aria-expanded", "false");
  }

  function activate(place) {
    list.children[active]?.setAttribute("aria-selected", "false");
    active = place;
    const option = list.children[active];
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) input.setAttribute("aria-activedescendant", option.id);
    else input.removeAttribute("aria-activedescendant");
  }

  function take(place) {
    const suggestion = shown[place];
    close();
    onTake(suggestion);
  }

  async function open() {
    if (!atOnce && !input.value.trim()) return;
    pending?.abort();
    pending = new AbortController();
    const { signal } = pending;
    let found;
    try {
      found = await suggest(input.value, signal);
    } catch {
      found = []; // typing goes on without suggestions; the search itself will say what is wrong
    }
    if (signal.aborted || document.activeElement !== input) return;
    if (!found.length) return close();
    const kept = shown[active]?.label; // chosen while this answer was on its way
    shown = found;
    list.replaceChildren(...found.map((suggestion, place) => option(suggestion, place)));
    list.hidden = false;
    list.scrollTop = 0;
    activate(kept === undefined ? -1 : found.findIndex(({ label }) => label === kept));
    input.setAttribute("aria-expanded", "true");
  }

  function option({ label, note }, place) {
    const item = document.createElement("li");
    item.id = `${list.id}-${place}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", "false");
    item.append(text("bdi", label));
    if (note) item.append(" ", text("bdi", note, "muted"));
    item.addEventListener("pointerdown", (event) => event.preventDefault()); // the focus stays in the box
    item.addEventListener("click", () => take(place));
    return item;
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    if (!atOnce && !input.value.trim()) return close();
    timer = setTimeout(open, WAIT);
  });
  if (atOnce) input.addEventListener("focus", open);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return; // an input method uses these keys itself
    const last = shown.length - 1;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const down = event.key === "ArrowDown";
      if (list.hidden) open();
      else if (down) activate(active === last ? -1 : active + 1);
      else activate(active === -1 ? last : active - 1);
    } else if (event.key === "Enter" && active >= 0) {
      event.preventDefault();
      take(active);
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (!list.hidden) close();
      else if (input.value) {
        input.value = "";
        input.dispatchEvent(new Event("input"));
      }
    }
  });
  return { close };
}

/** An element that holds text, never markup. */
export function text(tag, content, className = "") {
  const element = document.createElement(tag);
  element.textContent = content;
  if (className) element.className = className;
  return element;
}
