/* The page: what is typed goes to the worker, what the worker reads and writes is shown. */

const description = readData("model");
const worker = new Worker(URL.createObjectURL(new Blob([readData("worker")], { type: "text/javascript" })));
const find = (id) => document.getElementById(id);
const typed = find("text"), backdrop = find("backdrop"), box = find("editor");

/* ---- the worker ---- */

const waiting = new Map();
let numbers = 0;

/** Ask the worker; `onPart` gets what it reads or writes, part by part. */
function ask(type, values = {}, onPart = null) {
  const number = ++numbers;
  worker.postMessage({ ...values, type, number });
  return new Promise((resolve, reject) => waiting.set(number, { resolve, reject, onPart }));
}

worker.onmessage = ({ data }) => {
  const { resolve, reject, onPart } = waiting.get(data.number);
  if (data.type === "part") return onPart(data);
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

/* A text field makes a line feed of each carriage return. Where the model knows both, a sign stands for the latter. */
const RETURN = description.reading.newline === "keep" && known.has("\r") && !known.has("\u240d") ? "\u240d" : "\r";
const fieldText = (text) => text.join("").replaceAll("\r", RETURN);
const fieldValue = () => (RETURN === "\r" ? typed.value : typed.value.replaceAll(RETURN, "\r"));

/** Return the caret's place in characters. */
const caret = () => Array.from(typed.value.slice(0, typed.selectionStart)).length;

let spans = []; // the element of each character, in an element for each line: only lines that change are laid out anew

/** Lay out the text, of which `before` was laid out: its beginning and the lines at its end that are the same stay. */
function layOut(before) {
  const now = characters, shorter = Math.min(before.length, now.length);
  const beginsLine = (text, place) => place === 0 || text[place - 1] === "\n";
  let first = 0, last = 0;
  while (first < shorter && before[first] === now[first]) first++;
  while (last < shorter - first && before[before.length - 1 - last] === now[now.length - 1 - last]) last++;
  while (last > 0 && !(beginsLine(before, before.length - last) && beginsLine(now, now.length - last))) last--;
  const after = last ? spans[before.length - last].parentNode : null;
  const newLine = () => backdrop.insertBefore(element("div"), after);
  let line = (first < before.length ? spans[first].parentNode : backdrop.lastChild) ?? newLine();
  if (line === after) line = newLine();
  for (const span of spans.slice(first, before.length - last)) if (span.parentNode === line) span.remove();
  while (line.nextSibling !== after) line.nextSibling.remove();
  const added = now.slice(first, now.length - last).map((character) => {
    const span = element("span", {}, fieldText([character]));
    line.append(span);
    if (character === "\n") line = newLine();
    return span;
  });
  if (after && !line.firstChild) line.remove();
  spans = [...spans.slice(0, first), ...added, ...spans.slice(before.length - last)];
}

/** Colour the characters from `from` on that were read. */
function colour(from) {
  for (let place = from; place < bits.length; place++) spans[place].style.backgroundColor = surprisalColour(bits[place]);
}

/** Show how many characters there are and what they cost. */
function count() {
  const costs = bits.filter((cost) => cost !== null);
  const mean = costs.reduce((sum, cost) => sum + cost, 0) / costs.length;
  const length = `${characters.length.toLocaleString("en")} character${characters.length === 1 ? "" : "s"}`;
  find("status").textContent = costs.length ? `${length}, ${mean.toFixed(3)} bits per character` : length;
}

let changed = Promise.resolve(); // when the last change has been read

/** Make `text`, an array of characters that the model knows, the text. */
function change(text, place = text.length) {
  changed = changeTo(text, place).catch((error) => say(error.message));
  return changed;
}

async function changeTo(text, place) {
  writing = null;
  const before = characters;
  let same = 0;
  while (same < text.length && text[same] === before[same]) same++;
  characters = text;
  bits = bits.slice(0, same);
  const value = fieldText(text);
  if (typed.value !== value) typed.value = value;
  typed.selectionStart = typed.selectionEnd = fieldText(text.slice(0, place)).length;
  shownPlace = null;
  layOut(before);
  count();
  buttons();
  await ask("read", { text, known: bits.length }, (part) => {
    if (characters !== text) return; // it has changed meanwhile
    bits = bits.concat(part.bits);
    colour(bits.length - part.bits.length);
    count();
    if (shownPlace === null && caret() <= bits.length) showAlternatives();
  });
}

/* ---- undo ---- */

const MOST_KEPT = 500;
const past = [""], future = [];

/** Keep the text as it is, to come back to. */
function keep() {
  const text = characters.join("");
  if (past.at(-1) === text) return;
  past.push(text);
  if (past.length > MOST_KEPT) past.shift();
  future.length = 0;
  buttons();
}

function undo() {
  stopWriting();
  keep();
  if (past.length < 2) return;
  future.push(past.pop());
  change(Array.from(past.at(-1)));
}

function redo() {
  if (writing || !future.length) return;
  past.push(future.pop());
  change(Array.from(past.at(-1)));
}

function buttons() {
  find("undo").disabled = past.length < 2 && characters.join("") === past[0];
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
  for (let read = null; read !== changed; ) await (read = changed); // it may have changed again while it was read
  if (writing) return;
  find("problem").textContent = "";
  keep();
  clearTimeout(pause);
  const mine = (writing = {});
  buttons();
  typed.selectionStart = typed.selectionEnd = typed.value.length;
  box.scrollTop = box.scrollHeight;
  let answer, frame = 0;
  const written = [], costs = [];
  const show = () => {
    frame = 0;
    if (writing !== mine) return;
    const before = characters;
    characters = [...before, ...written];
    bits = [...bits, ...costs.splice(0)];
    const selected = typed.selectionStart === typed.value.length ? null : [typed.selectionStart, typed.selectionEnd];
    const follows = box.scrollTop + box.clientHeight > box.scrollHeight - 4; // else a person looks elsewhere
    typed.value += fieldText(written.splice(0));
    if (selected) typed.setSelectionRange(...selected);
    layOut(before);
    colour(before.length);
    count();
    if (follows) box.scrollTop = box.scrollHeight;
  };
  try {
    const length = Number(find("length").value) || description.sampling.length;
    answer = await ask("write", { options: chosen, length }, (part) => {
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

let shownPlace = null; // that of the alternatives; null while they are those of a text that has changed

async function showAlternatives() {
  const place = caret(), text = characters;
  const found = await ask("alternatives", { place });
  if (found.characters === null || text !== characters || place !== caret()) return;
  shownPlace = place;
  backdrop.querySelector(".there")?.classList.remove("there");
  spans[place]?.classList.add("there");
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
  await showAlternatives();
  const first = find("alternatives").querySelector("button");
  if (first) first.focus();
}

/* ---- events ---- */

let pause = 0;
typed.addEventListener("input", (event) => {
  if (event.isComposing) return;
  const place = caret();
  const text = readable(fieldValue());
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
  if (document.activeElement === typed && !writing && caret() !== shownPlace) showAlternatives();
});
document.addEventListener("keydown", (event) => {
  const command = event.ctrlKey || event.metaKey;
  if (event.key === "Escape" && writing) stopWriting();
  else if (command && event.key === "Enter") (writing ? stopWriting : write)();
  else if (command && event.key.toLowerCase() === "z" && event.target === typed) (event.shiftKey ? redo : undo)();
  else if (command && event.key.toLowerCase() === "y" && event.target === typed) redo();
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
