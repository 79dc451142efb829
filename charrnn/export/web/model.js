/* The model: characters in, logits for the next one out. The same arithmetic as charrnn.model, in typed arrays. */

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/* How each cell advances a layer by one character: `x` are the gates' input part, `r` their recurrent part (null for a
   cell without one), in the order of the weights; `state` are arrays of `size`, h first, which are overwritten. */
const CELLS = {
  lstm(x, r, [h, c], size) {
    for (let k = 0; k < size; k++) {
      const kept = sigmoid(x[size + k] + r[size + k]) * c[k];
      c[k] = kept + sigmoid(x[k] + r[k]) * Math.tanh(x[2 * size + k] + r[2 * size + k]);
      h[k] = sigmoid(x[3 * size + k] + r[3 * size + k]) * Math.tanh(c[k]);
    }
  },
  gru(x, r, [h], size) {
    for (let k = 0; k < size; k++) {
      const z = sigmoid(x[size + k] + r[size + k]);
      const n = Math.tanh(x[2 * size + k] + sigmoid(x[k] + r[k]) * r[2 * size + k]);
      h[k] = (1 - z) * n + z * h[k];
    }
  },
  rnn(x, r, [h], size) {
    for (let k = 0; k < size; k++) h[k] = Math.tanh(x[k] + r[k]);
  },
  min_gru(x, _, [h], size) {
    for (let k = 0; k < size; k++) {
      const z = sigmoid(x[k]);
      h[k] = (1 - z) * h[k] + z * x[size + k];
    }
  },
};

/* Rows that are multiplied together: each number of the vector is then read once for all of them. */
const LANES = 8;

/** A matrix and a bias, laid out for products with one vector: the numbers of LANES rows stand side by side. */
class Product {
  constructor({ shape: [rows, columns], values }, bias) {
    this.rows = rows;
    this.columns = columns;
    this.weights = new Float32Array(Math.ceil(rows / LANES) * LANES * columns);
    for (let row = 0; row < rows; row++) {
      const first = row - (row % LANES);
      for (let column = 0; column < columns; column++)
        this.weights[first * columns + column * LANES + (row % LANES)] = values[row * columns + column];
    }
    this.bias = new Float32Array(this.weights.length / columns);
    if (bias) this.bias.set(bias.values);
    this.result = new Float32Array(this.bias.length);
  }

  /** Return the product with `vector`, bias added: an array that the next product overwrites. */
  multiply(vector) {
    const { weights, bias, columns, result } = this;
    let at = 0;
    for (let row = 0; row < result.length; row += LANES) {
      let a = bias[row], b = bias[row + 1], c = bias[row + 2], d = bias[row + 3];
      let e = bias[row + 4], f = bias[row + 5], g = bias[row + 6], h = bias[row + 7];
      // | 0: integers that are not checked for overflow, which is a tenth of the time.
      for (let column = 0; column < columns; column++, at = (at + LANES) | 0) {
        const x = vector[column];
        a += weights[at] * x;
        b += weights[(at + 1) | 0] * x;
        c += weights[(at + 2) | 0] * x;
        d += weights[(at + 3) | 0] * x;
        e += weights[(at + 4) | 0] * x;
        f += weights[(at + 5) | 0] * x;
        g += weights[(at + 6) | 0] * x;
        h += weights[(at + 7) | 0] * x;
      }
      result[row] = a; result[row + 1] = b; result[row + 2] = c; result[row + 3] = d;
      result[row + 4] = e; result[row + 5] = f; result[row + 6] = g; result[row + 7] = h;
    }
    return result;
  }
}

/** One layer: its products, its state and, where the model has it, its norm. */
class Layer {
  constructor(weights, index, description) {
    const name = (part) => weights[`rnns.${index}.${part}_l0`];
    this.advance = CELLS[description.cell];
    this.size = description.hiddenSize;
    this.input = new Product(name("weight_ih"), name("bias_ih"));
    this.recurrent = name("weight_hh") ? new Product(name("weight_hh"), name("bias_hh")) : null;
    this.state = Array.from({ length: description.stateTensors }, () => new Float32Array(this.size));
    const scale = weights[`norms.${index}.weight`];
    this.norm = scale ? { scale: scale.values, shift: weights[`norms.${index}.bias`].values } : null;
    this.epsilon = description.normEpsilon;
    this.output = new Float32Array(this.size);
  }

  /** Advance by one character, whose gates' input part is `gates`; return the layer's output. */
  step(gates) {
    this.advance(gates, this.recurrent && this.recurrent.multiply(this.state[0]), this.state, this.size);
    const h = this.state[0];
    if (!this.norm) return h;
    let mean = 0, variance = 0;
    for (const value of h) mean += value / this.size;
    for (const value of h) variance += (value - mean) ** 2 / this.size;
    const factor = 1 / Math.sqrt(variance + this.epsilon);
    for (let k = 0; k < this.size; k++)
      this.output[k] = (h[k] - mean) * factor * this.norm.scale[k] + this.norm.shift[k];
    return this.output;
  }
}

/** A trained model and the state that it is in. */
class Model {
  constructor(description, weights) {
    this.layers = Array.from({ length: description.layers }, (_, index) => new Layer(weights, index, description));
    this.embedding = weights["embedding.weight"] || null;
    this.decoder = new Product(weights["decoder.weight"] || this.embedding, weights["decoder.bias"]);
    this.firstGates = []; // of the first layer, for each character that was read: its input part is always the same
    this.size = this.decoder.rows;
  }

  /** Go back to the state before any character. */
  reset() {
    for (const layer of this.layers) for (const part of layer.state) part.fill(0);
  }

  /** Return a copy of the state. */
  state() {
    return this.layers.map((layer) => layer.state.map((part) => part.slice()));
  }

  /** Go on from `state`, which stays as it is. */
  restore(state) {
    this.layers.forEach((layer, index) => layer.state.forEach((part, number) => part.set(state[index][number])));
  }

  /** Read one character; return logits for the next: an array that the next step overwrites. */
  step(id) {
    let x = this.layers[0].step((this.firstGates[id] ??= this.gatesOf(id)));
    for (const layer of this.layers.slice(1)) x = layer.step(layer.input.multiply(x));
    return this.decoder.multiply(x).subarray(0, this.size);
  }

  gatesOf(id) {
    const { input } = this.layers[0];
    const columns = input.columns;
    if (this.embedding) return input.multiply(this.embedding.values.subarray(id * columns, (id + 1) * columns)).slice();
    const oneHot = new Float32Array(columns);
    oneHot[id] = 1;
    return input.multiply(oneHot).slice();
  }
}

/** Return the weights by name: little-endian float32 as they are, int8 times the scale of their row. */
function unpack(tensors, base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const floats = (offset, count) => new Float32Array(bytes.slice(offset, offset + 4 * count).buffer);
  const weights = {};
  for (const { name, shape, offset, scales } of tensors) {
    const count = shape.reduce((product, size) => product * size, 1);
    let values;
    if (scales === null) values = floats(offset, count);
    else {
      const [rows, columns] = shape;
      const byRow = floats(scales, rows);
      const integers = new Int8Array(bytes.buffer, offset, count);
      values = Float32Array.from(integers, (integer, place) => integer * byRow[Math.floor(place / columns)]);
    }
    weights[name] = { shape, values };
  }
  return weights;
}
