"use strict";

for (const [name, value] of readData("facts"))
  document.getElementById("facts-table").append(
    element("tr", {}, element("th", { scope: "row" }, name), element("td", { class: "digest" }, [...value].map(shown).join(""))));
