"use strict";

/** Return how a symbol is shown in a text: line ends and stop symbols by a sign, before the end of the line. */
function inText(symbol) {
  if (symbol === "\n") return "↵\n";
  return symbol === "" ? "⏹\n" : shown(symbol);
}

/** Return the name of a symbol where it stands alone. */
function sign(symbol) {
  return element("span", { class: "sign" }, visible(symbol));
}

/** Return a number of bytes, signed ones where `signed`, from base64. */
function bytes(text, signed = false) {
  const found = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return signed ? new Int8Array(found.buffer) : found;
}

/**
 * Show a text, of which a person chooses one character by pointing at it or with the arrow keys.
 *
 * symbols: what is shown; label: for a reader of screens; choose(place): called with the place that was chosen.
 * Returns the element, with colour(place => colour) and select(place).
 */
function textView(symbols, label, choose) {
  const spans = symbols.map((symbol, place) => element("span", { "data-place": String(place) }, inText(symbol)));
  const box = element("div", { class: "text", role: "group", "aria-label": label }, ...spans);
  box.tabIndex = 0;
  let chosen = null;

  box.select = (place, follow = false) => {
    if (place < 0 || place >= spans.length) return;
    if (chosen !== null) spans[chosen].classList.remove("chosen");
    chosen = place;
    spans[place].classList.add("chosen");
    if (follow) spans[place].scrollIntoView({ block: "nearest" });
    choose(place);
  };
  box.colour = (colour) => spans.forEach((span, place) => { span.style.backgroundColor = colour(place); });

  /** Return the place one line above or below, nearest to where the chosen one is. */
  function beyond(step) {
    const from = spans[chosen].getBoundingClientRect();
    let best = chosen, line = null;
    for (let place = chosen + step; place >= 0 && place < spans.length; place += step) {
      const at = spans[place].getClientRects()[0];
      if (!at || Math.abs(at.top - from.top) < 2) continue;
      if (line === null) line = at.top;
      if (Math.abs(at.top - line) >= 2) break;
      if (best === chosen || Math.abs(at.left - from.left) < Math.abs(spans[best].getClientRects()[0].left - from.left))
        best = place;
    }
    return best;
  }

  const pointed = (event) => {
    const place = event.target.dataset?.place;
    if (place !== undefined) box.select(Number(place));
  };
  box.addEventListener("pointerover", pointed);
  box.addEventListener("click", pointed);
  box.addEventListener("keydown", (event) => {
    const at = chosen ?? 0;
    const places = {
      ArrowLeft: () => at - 1, ArrowRight: () => at + 1, Home: () => 0, End: () => spans.length - 1,
      ArrowUp: () => beyond(-1), ArrowDown: () => beyond(1),
    };
    if (!(event.key in places) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    box.select(places[event.key](), true);
  });
  return box;
}
