/* The worker: reads and writes, so that typing never waits. A message has a type and a number, which its answer has. */

/* How long it reads or writes before it looks whether there is a message (ms). */
const SLICE = 12;
/* Likeliest characters that are told. */
const ALTERNATIVES = 12;

let reader = null;
let working = 0; // the number of the message for which it reads or writes; 0 for none

const answers = {
  load({ model }) {
    reader = new Reader(new Model(model, unpack(model.tensors, model.weights)), model);
    return {};
  },

  /** Read a text, of which the page has the bits of the first `known` characters. */
  async read({ number, text, known }) {
    const same = reader.cutTo(text);
    return inSlices(number, Math.min(known, same), () => {
      if (reader.text.length < text.length) reader.append(text[reader.text.length]);
      return reader.text.length < text.length;
    });
  },

  /** Write on. */
  async write({ number, options, length }) {
    const random = generator(options.seed);
    const start = reader.text.length;
    let ended = false;
    await inSlices(number, start, () => {
      const id = reader.logits
        ? draw(reader.logits, options, random, reader.forbidden)
        : Math.floor(random() * reader.stop);
      ended = id === reader.stop;
      if (!ended) reader.append(reader.description.characters[id]);
      else if (reader.description.ofLines) reader.append("\n");
      return !ended && reader.text.length < start + length;
    });
    return { ended };
  },

  /** Answer the likeliest characters at a place, and the one that stands there; null where it has not been read yet. */
  alternatives({ place }) {
    if (place > reader.text.length) return { characters: null };
    const found = reader.at(place);
    if (found === null) return { characters: [] };
    const order = Array.from(found.keys()).filter((id) => id !== reader.forbidden).sort((a, b) => found[b] - found[a]).slice(0, ALTERNATIVES);
    const there = place < reader.text.length ? reader.id(reader.text[place]) : null;
    if (there !== null && !order.includes(there)) order.push(there);
    const characters = order.map((id) => ({
      character: id === reader.stop ? "" : reader.description.characters[id],
      probability: found[id],
      there: id === there,
    }));
    return { characters };
  },

  /** Answer the bits of each character of a text of its own; of a document, those of the stop symbol after it, too. */
  score({ text }) {
    const before = reader.model.state();
    const apart = new Reader(reader.model, reader.description);
    for (const character of text) apart.append(character);
    const end = apart.description.documents ? [-Math.log2(softmaxOf(apart.logits, apart.stop))] : [];
    reader.model.restore(before);
    return { bits: [...apart.bits, ...end] };
  },

  stop() {
    working = 0;
    return {};
  },
};

/** Call `step` until it returns false or another message changes the text. What the text has become from the character
    `told` on is told after each slice of time, in which no message is looked at. */
async function inSlices(number, told, step) {
  working = number;
  const turn = new MessageChannel();
  for (let more = true; more && working === number; ) {
    const until = performance.now() + SLICE;
    do more = step();
    while (more && performance.now() < until);
    postMessage({ type: "part", number, characters: reader.text.slice(told), bits: reader.bits.slice(told) });
    told = reader.text.length;
    await new Promise((resume) => {
      turn.port1.onmessage = resume;
      turn.port2.postMessage(null);
    });
  }
  turn.port1.close();
  if (working === number) working = 0;
  return {};
}

onmessage = async ({ data }) => {
  try {
    const answer = await answers[data.type](data);
    postMessage({ type: "answer", number: data.number, ...answer });
  } catch (error) {
    postMessage({ type: "error", number: data.number, message: error.message });
  }
};
