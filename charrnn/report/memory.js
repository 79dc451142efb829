"use strict";

{
  const data = readData("memory"), box = document.getElementById("memory-context");
  if (data.rows.length) {
    const longest = data.rows.at(-1).length.toLocaleString("en");
    const needed = data.needed === data.rows.at(-1).length
      ? `The longest that was tried, ${longest}, still lowers it measurably, compared with the one before.`
      : `With ${data.needed === 1 ? "1 character" : data.needed.toLocaleString("en") + " characters"} or more, it is not measurably above that with the longest that was tried, ${longest}.`;
    const leftOut = data.rows.at(-1).length < data.longest
      ? `Longer contexts, up to ${data.longest.toLocaleString("en")} characters, were left out: the text that was read is too short, or the time was. ` : "";
    box.append(
      element("p", {}, `The loss where the model is given only so many characters before the one it predicts, from the zero state. ${needed}`),
      chart({
        label: "Loss by length of the context", x: "Characters of context", y: "Loss (bits per character, with 95 % confidence)", logX: true,
        series: [{ name: "model", points: data.rows.map((row) => [row.length, row.bits, row.error]) }],
        levels: data.ngram === null ? [] : [[`${data.order}-gram`, data.ngram]],
      }),
      table(["Context", "Loss (bits)", "Above that with the longest"],
        data.rows.map((row) => [row.length.toLocaleString("en"), `${row.bits.toFixed(3)} ± ${row.error.toFixed(3)}`, `${row.excess.toFixed(3)} ± ${row.excessError.toFixed(3)}`])),
      element("p", { class: "muted" }, `${leftOut}The same ${data.characters.toLocaleString("en")} characters for each length. The model reads up to a tenth more ` +
        "than the length that is named. The last column compares the same blocks of text, so that it is more exact than the loss itself. " +
        `The confidence takes the ${data.blocks.toLocaleString("en")} blocks of ${data.characters / data.blocks} characters in a row as independent of each other; where they stand side by side they are not quite, and it is too narrow.`));
  } else box.append(element("p", {}, "The text that was read is too short, or the time was, to measure the loss by the length of the context."));

  document.getElementById("memory-lowest").textContent = `1/${(10 ** data.decades).toLocaleString("en")}`;
  const shares = bytes(data.shares), rowOf = new Map(data.targets.map((target, row) => [target, row]));
  const details = document.getElementById("memory-details");
  if (data.targets.length) {
    const view = textView(data.symbols, "Text coloured by how much the loss at the chosen character depends on it; the arrow keys move through it", (place) => {
      const row = rowOf.get(place);
      if (row === undefined) {
        details.replaceChildren("No gradient was taken for ", sign(data.symbols[place]), ", only for the characters that are underlined.");
        return;
      }
      view.colour((at) => {
        const distance = place - at;
        if (distance < 1 || distance > data.reach) return "transparent";
        return `color-mix(in srgb, var(--positive) ${(shares[row * data.reach + distance - 1] / 2.55).toFixed(1)}%, transparent)`;
      });
      const count = [...shares.subarray(row * data.reach, (row + 1) * data.reach)].findLastIndex((share) => share > 0) + 1;
      details.replaceChildren("The loss at ", sign(data.symbols[place]), ` depends measurably on the ${count.toLocaleString("en")} characters before it.`);
    });
    for (const target of data.targets) view.children[target].classList.add("target");
    document.getElementById("memory-text").append(view);
    document.getElementById("memory-left-out").textContent = data.targets.length < data.wanted
      ? `The time sufficed for ${data.targets.length.toLocaleString("en")} of ${data.wanted.toLocaleString("en")} characters.` : "";
    view.select(data.targets[Math.floor(data.targets.length / 2)]);
    const points = data.byDistance.flatMap((norm, index) => (norm > 0 ? [[index + 1, norm]] : []));
    if (points.length > 1)
      document.getElementById("memory-distance").append(chart({
        label: "Gradient by distance", x: "Characters before", y: `Mean norm of the gradient over ${data.targets.length} losses (logarithmic)`, logY: true,
        series: [{ name: "norm", points }],
      }));
  } else details.textContent = "The text that was read is too short, or the time was, to take gradients.";
}
