"use strict";

{
  const data = readData("cells"), activations = bytes(data.activations, true), length = data.symbols.length;
  const layer = document.getElementById("cells-layer"), unit = document.getElementById("cells-unit");
  const details = document.getElementById("cells-details");
  let place = 0;

  const value = (at) => activations[Number(unit.value) * length + at] / 127;
  const name = (number) => `layer ${Math.floor(number / data.perLayer) + 1}, unit ${number % data.perLayer}`;
  const view = textView(data.symbols, "Text coloured by what a unit holds; the arrow keys move through it", (at) => {
    place = at;
    details.replaceChildren(`After `, sign(data.symbols[at]), ` ${name(data.units[Number(unit.value)])} holds ${value(at).toFixed(2)}`);
  });
  document.getElementById("cells-text").append(view);

  function show() {
    view.colour((at) => activationColour(value(at)));
    view.select(place);
  }

  /** List the units of the chosen layer; the value of each is its place among those that are shown. */
  function list() {
    unit.replaceChildren(...data.units.flatMap((number, index) =>
      Math.floor(number / data.perLayer) === Number(layer.value)
        ? [element("option", { value: String(index) }, String(number % data.perLayer))] : []));
  }

  function choose(number) {
    const index = data.units.indexOf(number);
    layer.value = String(Math.floor(number / data.perLayer));
    list();
    unit.value = String(index);
    show();
  }

  for (let number = 0; number < data.layers; number++)
    layer.append(element("option", { value: String(number) }, String(number + 1)));
  layer.addEventListener("change", () => { list(); show(); });
  unit.addEventListener("change", show);
  for (const [id, step] of [["cells-previous", -1], ["cells-next", 1]])
    document.getElementById(id).addEventListener("click", () => {
      unit.selectedIndex = (unit.selectedIndex + step + unit.length) % unit.length;
      show();
    });

  const rows = data.found.map((found) => {
    const button = element("button", { type: "button" }, name(found.unit));
    button.addEventListener("click", () => choose(found.unit));
    const feature = found.beyond ? found.feature : `${found.feature} (not beyond chance)`;
    return [feature, button, found.correlation.toFixed(2), found.control.toFixed(2)];
  });
  const heads = ["Feature of the text", "Unit", "Correlation", "By chance"];
  const note = `The unit that follows each feature most was chosen on one half of what was read; its correlation is that on the other half, ` +
    `${data.measured.toLocaleString("en")} characters. By chance: the largest correlation of any unit there with the ` +
    `feature shifted circularly, of ${data.shifts} random shifts. A feature is not beyond chance, either, where the unit follows it the other way round on the other half. ` +
    "A feature that the text hardly has is left out. Comments, and lines that name a speaker, are known only by what follows: their first characters count as well.";
  document.getElementById("cells-found").append(
    rows.length ? table(heads, rows) : element("p", {}, "The text has none of the features that are looked for."),
    element("p", { class: "muted" }, note));
  const total = data.layers * data.perLayer;
  if (data.units.length < total)
    document.getElementById("cells-found").append(element("p", { class: "muted" },
      `Of the ${total.toLocaleString("en")} units, the ${data.units.length.toLocaleString("en")} that change most can be chosen.`));
  choose(data.found.length ? data.found.reduce((best, one) => (Math.abs(one.correlation) > Math.abs(best.correlation) ? one : best)).unit : data.units[0]);
}
