"use strict";

/** Return the data that the page holds under `id`. */
function readData(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

/** Make an element; text is never read as HTML. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

const NAMES = { "\n": "↵", "\t": "⇥", "\r": "␍", " ": "·", "\u00a0": "⍽", "\u200b": "ZWSP", "\ufeff": "BOM" };

/** Return how a character is shown where it stands alone: what cannot be seen, or would act on the page, by a sign. */
function visible(character) {
  if (character in NAMES) return NAMES[character];
  if (character === "") return "⏹";
  const point = character.codePointAt(0);
  if (/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u.test(character))
    return "U+" + point.toString(16).toUpperCase().padStart(4, "0");
  return /\p{M}/u.test(character) ? "◌" + character : character;
}

/** Return how a character is shown in running text: as it is, or, if it would act on the text around it, by a sign. */
function shown(character) {
  return /[\n\t ]/.test(character) ? character : visible(character);
}

/** Bits of surprisal from which on the colour is full. */
const FULL_BITS = 8;

/** Return the background for `bits` of surprisal: one hue that gets stronger. */
function surprisalColour(bits) {
  if (bits === null || !Number.isFinite(bits)) return "transparent";
  const share = Math.min(1, Math.max(0, bits / FULL_BITS));
  return `color-mix(in srgb, var(--surprisal) ${(share * 100).toFixed(1)}%, transparent)`;
}

/** Return the background for an activation from -1 to 1: orange below 0, blue above; nothing at 0. */
function activationColour(value) {
  const share = Math.min(1, Math.abs(value));
  const hue = value < 0 ? "--negative" : "--positive";
  return `color-mix(in srgb, var(${hue}) ${(share * 100).toFixed(1)}%, transparent)`;
}
