"use strict";

{
  const data = readData("surprisal"), alphabet = readData("alphabet");
  const details = document.getElementById("surprisal-details"), choice = document.getElementById("surprisal-choice");
  const percent = (share) => (share >= 0.0005 ? (share * 100).toFixed(1) : "<0.1") + " %";
  const bits = (value) => (value === null ? "not known" : value.toFixed(2) + " bits");

  function describe(passage, place) {
    const cost = passage.bits[place];
    const found = cost === null ? "has no surprisal" : `cost ${bits(cost)}, probability ${percent(2 ** -cost)}`;
    const rows = passage.likeliest[place].map((id, rank) => {
      const share = passage.probabilities[place][rank];
      const bar = element("span", { class: "bar", "aria-hidden": "true" });
      bar.style.width = `${(share * 6).toFixed(2)}rem`;
      return element("li", {}, element("b", {}, visible(alphabet[id])), ` ${percent(share)} `, bar);
    });
    const parts = [element("div", {}, sign(passage.symbols[place]), ` ${found}`)];
    if (cost !== null) {
      parts.push(element("div", {}, "The model's likeliest: "), element("ul", { class: "likely" }, ...rows));
      if (passage.ngram) {
        const cost = passage.ngram.bits[place];
        parts.push(element("div", {}, `${data.order}-gram: ${bits(cost)}, probability ${percent(2 ** -cost)}; its likeliest: `, sign(alphabet[passage.ngram.likeliest[place]]),
          ` ${percent(passage.ngram.highest[place])}`));
      }
    }
    details.replaceChildren(...parts);
  }

  function show(passage) {
    const label = "Text coloured by surprisal; the arrow keys move through it";
    const view = textView(passage.symbols, label, (place) => describe(passage, place));
    view.colour((place) => surprisalColour(passage.bits[place]));
    document.getElementById("surprisal-text").replaceChildren(view);
    view.select(passage.bits.findIndex((cost) => cost !== null));
  }

  document.getElementById("surprisal-full").textContent = String(FULL_BITS);
  document.getElementById("surprisal-missing").textContent = data.missing ||
    `The ${data.order}-gram, whose figure stands under the text, was counted on ${data.counted < data.training ? `the last ${data.counted.toLocaleString("en")} of the` : "all"} ${data.training.toLocaleString("en")} characters of the training text.`;
  const passages = [[`A typical one (${data.heldOut})`, data.typical]];
  data.costliest.forEach((passage, number) => passages.push([`Costs most (${number + 1})`, passage]));
  data.cheapest.forEach((passage, number) => passages.push([`Costs least (${number + 1})`, passage]));
  passages.forEach(([name, passage], number) =>
    choice.append(element("option", { value: String(number) }, `${name}: ${bits(passage.mean)} a character`)));
  choice.addEventListener("change", () => show(passages[Number(choice.value)][1]));
  show(data.typical);
}
