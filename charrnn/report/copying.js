"use strict";

{
  const data = readData("copying"), box = document.getElementById("copying-body");
  const percent = (share) => (share === null ? "" : `${(share * 100).toFixed(share && share < 0.01 ? 2 : 1)} %`);
  if (data.missing) box.append(element("p", { class: "muted" }, data.missing));
  else {
    const searched = data.searched < data.training
      ? `the last ${data.searched.toLocaleString("en")} of its ${data.training.toLocaleString("en")} characters were searched`
      : `all of its ${data.training.toLocaleString("en")} characters were searched`;
    box.append(
      element("p", {}, `The share of n-grams that stand in the training text (${searched}): a model that copies has a larger share than text that it was not trained on.`),
      table(["Length (characters)", "Samples", "Held-out text"],
        data.lengths.map((length, row) => [length, percent(data.ofSamples[row]), percent(data.ofHeldOut[row])])));
  }
  for (const sample of data.samples) {
    const text = element("div", { class: "text", tabindex: "0", role: "group", "aria-label": "Sample" });
    text.append(element("span", { class: "prime" }, sample.prime.map(shown).join("")));
    const part = (start, end) => sample.text.slice(start, end).map(shown).join("");
    box.append(element("h3", {}, `Temperature ${sample.temperature}, seed ${sample.seed}`));
    if (sample.passage) {
      const { start, length, at, before, after } = sample.passage;
      text.append(part(0, start), element("mark", {}, part(start, start + length)), part(start + length));
      box.append(text, element("p", {}, `Its longest passage that stands in the training text has ${length.toLocaleString("en")} characters (marked). There it is at character ${at.toLocaleString("en")} of what was searched:`),
        element("div", { class: "text" }, [...before].map(shown).join(""), element("mark", {}, part(start, start + length)), [...after].map(shown).join("")));
    } else {
      text.append(part(0));
      box.append(text);
    }
  }
  if (data.longest < data.wanted)
    box.append(element("p", { class: "muted" }, `The time sufficed for samples of at most ${data.longest.toLocaleString("en")} of ${data.wanted.toLocaleString("en")} characters.`));
  if (data.samples.length < data.written)
    box.append(element("p", { class: "muted" }, `${data.samples.length} of ${data.written} samples are shown; the shares are of all.`));
}
