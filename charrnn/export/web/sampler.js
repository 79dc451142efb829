/* Drawing the next character, with the filters of charrnn.generation.filters in the same order. */

/** Return a function that returns numbers in [0, 1): Mulberry32, by Tommy Ettinger; its seed is hashed by FNV-1a. */
function generator(seed) {
  let state = 0x811c9dc5;
  for (const character of String(seed)) state = Math.imul(state ^ character.codePointAt(0), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Return the index of the highest number. */
function highest(logits) {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id] > logits[best]) best = id;
  return best;
}

/** Return the probabilities of `logits` at temperature 1; the id `forbidden`, if it is not null, has none. */
function probabilities(logits, forbidden = null) {
  const weights = new Float64Array(logits);
  if (forbidden !== null) weights[forbidden] = -Infinity;
  const top = weights[highest(weights)];
  let sum = 0;
  for (let id = 0; id < weights.length; id++) sum += weights[id] = Math.exp(weights[id] - top);
  for (let id = 0; id < weights.length; id++) weights[id] /= sum;
  return weights;
}

/** Draw an id: temperature 0 takes the likeliest, topK, topP and minP are null where they are off. */
function draw(logits, { temperature, topK, topP, minP }, random, forbidden = null) {
  const scaled = new Float64Array(logits);
  if (forbidden !== null) scaled[forbidden] = -Infinity;
  const best = highest(scaled);
  const top = scaled[best];
  if (!Number.isFinite(top)) throw new Error("the model's logits are not finite: its training diverged");
  if (temperature === 0) return best;
  const relative = new Float64Array(scaled.length);
  for (let id = 0; id < scaled.length; id++) relative[id] = Math.exp((scaled[id] - top) / temperature);
  if (topK !== null || topP !== null || minP !== null) filter(scaled, relative, topK, topP, minP);
  let sum = 0;
  for (let id = 0; id < relative.length; id++) sum += relative[id];
  const drawn = random() * sum;
  let before = 0;
  for (let id = 0; id < relative.length; id++) if ((before += relative[id]) > drawn) return id;
  return best; // rounding has left nothing beyond the draw
}

/** Set to 0 what the filters leave out; each sees what those before it have left. */
function filter(logits, relative, topK, topP, minP) {
  const order = Array.from(relative.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
  if (topK !== null) for (const id of order.slice(topK)) relative[id] = 0;
  if (topP !== null) {
    let sum = 0, likelier = 0;
    for (const weight of relative) sum += weight;
    for (const id of order) {
      const weight = relative[id];
      if (likelier >= topP * sum) relative[id] = 0;
      likelier += weight;
    }
  }
  if (minP !== null) for (const id of order) if (relative[id] < minP) relative[id] = 0;
}
