"use strict";

{
  const data = readData("characters"), alphabet = readData("alphabet"), box = document.getElementById("characters-body");
  const SIZE = 560, MARGIN = 24;
  const kinds = [[/\p{Lu}/u, "capital letters"], [/\p{L}/u, "other letters"], [/\p{N}/u, "digits"], [/[^]/u, "other characters"]];
  const place = (value) => MARGIN + ((value + 1) / 2) * (SIZE - 2 * MARGIN);
  const plane = svg("svg", { class: "chart plane", viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": "Characters in two dimensions" });
  data.ids.forEach((id, row) => {
    const [x, y] = data.points[row], kind = kinds.findIndex(([pattern]) => pattern.test(alphabet[id]));
    plane.append(svg("text", { x: place(x), y: place(-y) + 5, style: `fill: var(--series-${kind + 1})` },
      visible(alphabet[id]), svg("title", {}, visible(alphabet[id]))));
  });
  const share = (value) => `${(value * 100).toFixed(0)} %`;
  box.append(
    element("p", {}, `The ${data.source} of the characters in the plane in which they differ most (principal components): ` +
      `across ${share(data.shares[0])} of their variance, upwards ${share(data.shares[1])}. Characters that the model uses alike are near each other.`),
    plane,
    element("div", {}, ...kinds.map(([, name], kind) => {
      const key = element("span", { class: "key" }, name);
      key.style.color = `var(--series-${kind + 1})`;
      return key;
    })));
  const shown = data.rows.length < data.all ? `the ${data.rows.length} commonest of ${data.all.toLocaleString("en")}` : `${data.all.toLocaleString("en")}`;
  box.append(element("details", {}, element("summary", {}, `Vocabulary: ${shown} characters`),
    table(["Character", "Code point", "Name", "Count", "Share"],
      data.rows.map(([id, point, name, count, part]) => [sign(alphabet[id]), point, name, count.toLocaleString("en"), `${(part * 100).toFixed(2)} %`]))));
}
