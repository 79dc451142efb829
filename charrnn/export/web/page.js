/* The page: what is typed goes to the worker, what the worker reads and writes is shown. */

const description = readData("model");
const worker = new Worker(URL.createObjectURL(new Blob([readData("worker")], { type: "text/javascript" })));
const find = (id) => document.getElementById(id);
const typed = find("text"), backdrop = find("backdrop");

/* ---- the worker ---- */

const waiting = new Map();
let numbers = 0;

/** Ask the worker; `onPart` gets what it writes, part by part. */
function ask(type, values = {}, onPart = null) {
  const number = ++numbers;
  worker.postMessage({ ...values, type, number });
  return new Promise((resolve, reject) => waiting.set(number, { resolve, reject, onPart }));
}

worker.onmessage = ({ data }) => {
  const { resolve, reject, onPart } = waiting.get(data.number);
  if (data.type === "written") return onPart(data);
  waiting.delete(data.number);
  if (data.type === "error") reject(new Error(data.message));
  else resolve(data);
};

/* ---- the text ---- */

const known = new Set(description.characters);
if (description.ofLines) known.add("\n");
let characters = [], bits = [];
let writing = null; // what identifies the writing that is under way

/** Return a text as the training text was read. */
function normalised(text) {
  const { newline, lowercase, unicodeForm } = description.reading;
  let read = text.replace(/^\ufeff/, "");
  if (newline === "unix") read = read.replace(/\r\n?/g, "\n");
  if (lowercase) read = read.toLowerCase();
  return unicodeForm === "none" ? read : read.normalize(unicodeForm);
}

let saidAt = 0;

/** Show what is wrong, long enough to be read whatever is typed meanwhile. */
function say(problem) {
  find("problem").textContent = problem;
  clearTimeout(saidAt);
  saidAt = setTimeout(() => (find("problem").textContent = ""), 10_000);
}

/** Return the characters of `text` that the model knows, and say which it does not. */
function readable(text) {
  const all = Array.from(normalised(text));
  const unknown = [...new Set(all.filter((character) => !known.has(character)))];
  if (unknown.length) say(`Left out, as the model has never seen them: ${unknown.slice(0, 20).map(visible).join(" ")}`);
  return unknown.length ? all.filter((character) => known.has(character)) : all;
}

/** Return the caret's place in characters. */
const caret = () => Array.from(typed.value.slice(0, typed.selectionStart)).length;

/* Colours that are told apart: a character is coloured anew only where its own changes. */
const LEVELS_PER_BIT = 4;
const end = document.createTextNode(" "); // so that an empty last line has its height
backdrop.append(end);
let coloured = []; // the characters that the backdrop has, a span each

/** Show the text with its colours; what it has in common with what is shown, at both ends, stays. */
function colour() {
  const before = coloured, now = characters;
  let first = 0, last = 0;
  const shorter = Math.min(before.length, now.length);
  while (first < shorter && before[first] === now[first]) first++;
  while (last < shorter - first && before[before.length - 1 - last] === now[now.length - 1 - last]) last++;
  const range = document.createRange();
  range.setStart(backdrop, first);
  range.setEnd(backdrop, before.length - last);
  range.deleteContents();
  const added = document.createDocumentFragment();
  for (const character of now.slice(first, now.length - last)) {
    const span = document.createElement("span");
    span.textContent = character;
    added.append(span);
  }
  backdrop.insertBefore(added, backdrop.childNodes[first]);
  coloured = [...now];
  let span = backdrop.firstChild;
  for (let place = 0; place < now.length; place++, span = span.nextSibling) {
    const cost = bits[place] ?? null;
    const level = cost === null ? "" : String(Math.round(cost * LEVELS_PER_BIT));
    if (span.level === level) continue;
    span.level = level;
    span.style.backgroundColor = surprisalColour(level === "" ? null : level / LEVELS_PER_BIT);
  }
}

/** Show how many characters there are and what they cost. */
function count() {
  const costs = bits.filter((cost) => cost !== null);
  const mean = costs.reduce((sum, cost) => sum + cost, 0) / costs.length;
  const length = `${characters.length.toLocaleString("en")} character${characters.length === 1 ? "" : "s"}`;
  find("status").textContent = costs.length ? `${length}, ${mean.toFixed(3)} bits per character` : length;
}

let changed = Promise.resolve(); // when the last change has been read
let unread = 0; // changes that have not been read yet

/** Make `text`, an array of characters that the model knows, the text. */
function change(text, place = text.length) {
  changed = changeTo(text, place);
  return changed;
}

async function changeTo(text, place) {
  writing = null;
  characters = text;
  const value = text.join("");
  if (typed.value !== value) typed.value = value;
  typed.selectionStart = typed.selectionEnd = text.slice(0, place).join("").length;
  unread++;
  const read = await ask("read", { text });
  unread--;
  if (characters !== text) return; // it has changed meanwhile
  bits = read.bits;
  colour();
  count();
  buttons();
  await showAlternatives();
}

/* ---- undo ---- */

const MOST_KEPT = 500;
const past = [[]], future = [];

/** Keep the text as it is, to come back to. */
function keep() {
  if (past.at(-1).join("") === characters.join("")) return;
  past.push([...characters]);
  if (past.length > MOST_KEPT) past.shift();
  future.length = 0;
  buttons();
}

function undo() {
  stopWriting();
  keep();
  if (past.length < 2) return;
  future.push(past.pop());
  change([...past.at(-1)]);
}

function redo() {
  if (writing || !future.length) return;
  past.push(future.pop());
  change([...past.at(-1)]);
}

function buttons() {
  find("undo").disabled = past.length < 2 && characters.length === past[0].length;
  find("redo").disabled = writing !== null || future.length === 0;
  find("write").textContent = writing ? "Stop" : "Write on";
}

/* ---- writing ---- */

/** Return what is typed in, how to write and how much; null, and a line that says why, where one is not allowed. */
function options() {
  for (const input of document.querySelectorAll(".bar input")) {
    if (input.checkValidity()) continue;
    say(`${input.parentElement.firstChild.textContent.trim()}: ${input.validationMessage}`);
    input.focus();
    return null;
  }
  const number = (id) => (find(id).value === "" ? null : Number(find(id).value));
  return {
    temperature: number("temperature") ?? description.sampling.temperature,
    topK: number("topK"),
    topP: number("topP"),
    minP: number("minP"),
    seed: find("seed").value,
  };
}

/** Write on at the end of the text. */
async function write() {
  const chosen = options();
  if (chosen === null) return;
  await changed;
  if (writing) return;
  find("problem").textContent = "";
  keep();
  clearTimeout(pause);
  const mine = (writing = {});
  buttons();
  typed.selectionStart = typed.selectionEnd = typed.value.length;
  let answer, frame = 0;
  const written = [], costs = [];
  const show = () => {
    frame = 0;
    if (writing !== mine) return;
    characters = [...characters, ...written];
    bits = [...bits, ...costs.splice(0)];
    const selected = typed.selectionStart === typed.value.length ? null : [typed.selectionStart, typed.selectionEnd];
    typed.value += written.splice(0).join("");
    if (selected) typed.setSelectionRange(...selected);
    else find("editor").scrollTop = find("editor").scrollHeight;
    colour();
    count();
  };
  try {
    answer = await ask("write", { options: chosen, length: Number(find("length").value) || description.sampling.length }, (part) => {
      written.push(...part.characters);
      costs.push(...part.bits);
      frame ||= requestAnimationFrame(show); // showing takes longer than writing: a frame at a time
    });
  } catch (error) {
    say(error.message);
  }
  cancelAnimationFrame(frame);
  show();
  if (writing !== mine) return;
  writing = null;
  keep();
  buttons();
  if (answer?.ended) find("status").textContent += "; the document ends here";
  await showAlternatives();
}

function stopWriting() {
  if (writing) ask("stop");
}

/* ---- alternatives ---- */

let shownPlace = null;

async function showAlternatives() {
  const place = caret(), text = characters;
  const found = await ask("alternatives", { place });
  if (text !== characters || place !== caret()) return;
  shownPlace = place;
  find("alternatives").replaceChildren(
    ...found.characters.map(({ character, probability, there }) => {
      const sign = element("span", { class: "sign" }, visible(character));
      const button = element("button", { type: "button" }, sign, percent(probability));
      const name = character === "" ? "end of the document" : character === " " ? "space" : character === "\n" ? "line end" : character;
      button.setAttribute("aria-label", `${name}, ${percent(probability)}${there ? ", stands there" : ""}`);
      if (there) button.className = "there";
      button.disabled = character === "" && !description.ofLines;
      button.onclick = () => choose(place, character);
      return element("li", {}, button);
    }),
  );
}

const percent = (probability) => (probability < 0.0005 ? "< 0.1 %" : `${(100 * probability).toFixed(1)} %`);

/** Cut the text at `place` and go on with `character`; '' is the end of a document. */
async function choose(place, character) {
  keep();
  await change([...characters.slice(0, place), character === "" ? "\n" : character]);
  keep();
  const first = find("alternatives").querySelector("button");
  if (first) first.focus();
}

/* ---- events ---- */

let pause = 0;
typed.addEventListener("input", (event) => {
  if (event.isComposing) return;
  const place = caret();
  const text = readable(typed.value);
  const lost = Array.from(typed.value).length - text.length;
  clearTimeout(pause);
  pause = setTimeout(keep, 600);
  change(text, Math.max(0, place - Math.max(0, lost)));
});
typed.addEventListener("compositionend", () => typed.dispatchEvent(new InputEvent("input")));
typed.addEventListener("beforeinput", (event) => {
  if (!event.inputType.startsWith("history")) return;
  event.preventDefault();
  (event.inputType === "historyUndo" ? undo : redo)();
});
document.addEventListener("selectionchange", () => {
  if (document.activeElement === typed && !writing && !unread && caret() !== shownPlace) showAlternatives();
});
document.addEventListener("keydown", (event) => {
  const command = event.ctrlKey || event.metaKey;
  if (event.key === "Escape" && writing) stopWriting();
  else if (command && event.key === "Enter") (writing ? stopWriting : write)();
  else if (command && event.key.toLowerCase() === "z" && event.target === typed) (event.shiftKey ? redo : undo)();
  else return;
  event.preventDefault();
});
find("write").onclick = () => (writing ? stopWriting() : write());
find("undo").onclick = undo;
find("redo").onclick = redo;

/* ---- start ---- */

find("title").textContent = description.title;
find("about").textContent = description.about;
for (const [name, value] of description.facts)
  find("facts").tBodies[0].append(element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, value)));
for (const [name, value] of Object.entries(description.sampling)) find(name).value = value;

/* What scripts on the page, and its tests, may call. */
window.charrnn = {
  /** Promise the bits of each character of `text`; null for the first of a stream. Of a document, the end's too. */
  score: async (text) => (await ask("score", { text: readable(text) })).bits,
};

ask("load", { model: description }).then(() => change([]), (error) => (find("problem").textContent = error.message));
