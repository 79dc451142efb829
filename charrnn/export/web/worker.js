/* The worker: reads and writes, so that typing never waits. A message has a type and a number, which its answer has. */

/* How long it reads or writes before it looks whether there is a message (ms). */
const SLICE = 12;
/* Likeliest characters that are told. */
const ALTERNATIVES = 12;

let reader = null;
let busy = 0; // the number of the message that is being answered by reading or writing; 0 for none

const { port1, port2 } = new MessageChannel();
const resumes = [];
port1.onmessage = () => resumes.shift()();

/** Let messages that have come be looked at. */
function turn() {
  port2.postMessage(null);
  return new Promise((resume) => resumes.push(resume));
}

const answers = {
  load({ model }) {
    reader = new Reader(new Model(model, unpack(model.tensors, model.weights)), model);
    return {};
  },

  /** Read a text, from where it differs from the one before; answer the bits of its characters. */
  async read({ number, text }) {
    busy = number;
    let same = 0;
    while (same < text.length && text[same] === reader.text[same]) same++;
    reader.cut(same);
    while (reader.text.length < text.length && busy === number) {
      const until = performance.now() + SLICE;
      while (reader.text.length < text.length && performance.now() < until) reader.append(text[reader.text.length]);
      await turn();
    }
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
    busy = 0;
    return {};
  },

  /** Write on; each part is told as soon as it is there. */
  async write({ number, options, length }) {
    busy = number;
    const random = generator(options.seed);
    let left = length;
    let ended = false;
    while (left > 0 && !ended && busy === number) {
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
      await turn();
    }
    return { ended };
  },
};

onmessage = async ({ data }) => {
  try {
    postMessage({ type: "answer", number: data.number, ...(await answers[data.type](data)) });
  } catch (error) {
    postMessage({ type: "error", number: data.number, message: error.message });
  }
};
