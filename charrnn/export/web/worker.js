/* The worker: reads and writes, so that typing never waits. A message has a type and a number, which its answer has. */

/* How long it writes before it looks whether there is a message (ms). */
const SLICE = 12;
/* Likeliest characters that are told. */
const ALTERNATIVES = 12;

let reader = null;
let writing = 0; // the number of the message that is being answered by writing; 0 for none

const answers = {
  load({ model }) {
    reader = new Reader(new Model(model, unpack(model.tensors, model.weights)), model);
    return {};
  },

  /** Read a text; answer the bits of its characters. */
  read({ text }) {
    writing = 0;
    reader.read(text);
    return { bits: reader.bits };
  },

  /** Answer the likeliest characters at a place, and the one that stands there. */
  alternatives({ place }) {
    const found = reader.at(place);
    if (found === null) return { place, characters: [] };
    const order = Array.from(found.keys()).sort((a, b) => found[b] - found[a]).slice(0, ALTERNATIVES);
    const there = place < reader.text.length ? reader.id(reader.text[place]) : null;
    if (there !== null && !order.includes(there)) order.push(there);
    const characters = order.map((id) => ({
      character: id === reader.stop ? "" : reader.description.characters[id],
      probability: found[id],
      there: id === there,
    }));
    return { place, characters };
  },

  /** Answer the bits of each character of a text of its own; of a document, those of the stop symbol after it, too. */
  score({ text }) {
    const apart = new Reader(reader.model, reader.description);
    const before = reader.model.state();
    for (const character of text) apart.append(character);
    const end = apart.description.documents ? [-Math.log2(softmaxOf(apart.logits, apart.stop))] : [];
    reader.model.restore(before);
    return { bits: [...apart.bits, ...end] };
  },

  stop() {
    writing = 0;
    return {};
  },
};

/** Write on, a slice of time after the other; each part is told as soon as it is there. */
async function write({ number, options, length }) {
  writing = number;
  const random = generator(options.seed);
  const turn = new MessageChannel();
  let left = length;
  let ended = false;
  while (left > 0 && !ended && writing === number) {
    const until = performance.now() + SLICE;
    const from = reader.text.length;
    while (left > 0 && !ended && performance.now() < until) {
      const id = reader.logits
        ? draw(reader.logits, options, random, reader.forbidden)
        : Math.floor(random() * reader.stop);
      ended = id === reader.stop;
      if (!ended) reader.append(reader.description.characters[id]);
      else if (reader.description.ofLines) reader.append("\n");
      left--;
    }
    postMessage({ type: "written", number, characters: reader.text.slice(from), bits: reader.bits.slice(from) });
    await new Promise((resume) => {
      turn.port1.onmessage = resume;
      turn.port2.postMessage(null);
    });
  }
  if (writing === number) writing = 0;
  turn.port1.close();
  return { ended };
}

onmessage = async ({ data }) => {
  try {
    const answer = data.type === "write" ? await write(data) : answers[data.type](data);
    postMessage({ type: "answer", number: data.number, ...answer });
  } catch (error) {
    postMessage({ type: "error", number: data.number, message: error.message });
  }
};
