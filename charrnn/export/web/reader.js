/* Reader: a text and what the model thinks at each place of it. It keeps states on the way, so that a change reads only
   what follows it. */

/* Characters between two states that are kept. */
const EVERY = 32;

class Reader {
  /** Of texts as `description` says: one stream, a document, or documents with a line end after each. */
  constructor(model, description) {
    this.model = model;
    this.description = description;
    this.ids = new Map(description.characters.map((character, id) => [character, id]));
    this.stop = description.characters.length;
    this.text = [];
    this.bits = [];
    this.kept = [];
    this.start();
  }

  /** Return the id of a character; a line end between documents is the stop symbol's. */
  id(character) {
    return this.description.ofLines && character === "\n" ? this.stop : this.ids.get(character);
  }

  /** The id that is never drawn: in a stream, the stop symbol is not there. */
  get forbidden() {
    return this.description.documents ? null : this.stop;
  }

  /** Read what stands before a text: of a document the stop symbol. Of a stream, a line end, for what is drawn first. */
  start() {
    this.model.reset();
    const first = this.description.documents ? this.stop : this.ids.get("\n");
    this.logits = first === undefined ? null : this.model.step(first).slice();
    if (!this.description.documents) this.model.reset();
  }

  /** Return the probabilities of the next character; null at the start of a stream whose model knows no line end. */
  next() {
    return this.logits && probabilities(this.logits, this.forbidden);
  }

  /** Read one more character, which the model knows. */
  append(character) {
    const id = this.id(character);
    const predicted = this.text.length > 0 || this.description.documents;
    this.bits.push(predicted ? -Math.log2(softmaxOf(this.logits, id)) : null);
    this.text.push(character);
    this.advance(id);
    if (this.text.length % EVERY === 0) this.kept.push({ state: this.model.state(), logits: this.logits });
  }

  advance(id) {
    if (id === this.stop) this.start();
    else this.logits = this.model.step(id).slice();
  }

  /** Be in the state after the first `length` characters: from the last that was kept before it, read on. */
  goTo(length) {
    const kept = Math.floor(length / EVERY);
    if (kept === 0) this.start();
    else {
      this.model.restore(this.kept[kept - 1].state);
      this.logits = this.kept[kept - 1].logits;
    }
    for (const character of this.text.slice(kept * EVERY, length)) this.advance(this.id(character));
  }

  /** Cut the text where it begins to differ from `text`; return its length then. */
  cutTo(text) {
    let same = 0;
    while (same < this.text.length && text[same] === this.text[same]) same++;
    if (same < this.text.length) {
      this.goTo(same);
      this.text.length = this.bits.length = same;
      this.kept.length = Math.floor(same / EVERY);
    }
    return same;
  }

  /** Return the probabilities at a place of the text, before its character; see `next`. */
  at(place) {
    const [state, logits] = [this.model.state(), this.logits];
    this.goTo(place);
    const found = this.next();
    this.model.restore(state);
    this.logits = logits;
    return found;
  }
}

/** Return the probability of `id` among all ids: that of the model, which scores are made of. */
function softmaxOf(logits, id) {
  const top = logits[highest(logits)];
  let sum = 0;
  for (let other = 0; other < logits.length; other++) sum += Math.exp(logits[other] - top);
  return Math.exp(logits[id] - top) / sum;
}
