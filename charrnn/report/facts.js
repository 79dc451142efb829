"use strict";

for (const [name, value] of readData("facts"))
  document.getElementById("facts-table").append(
    element("tr", {}, element("th", { scope: "row" }, name), element("td", { class: "digest" }, [...value].map(shown).join(""))));

// By hand: MLflow shows the page in a frame of its own, in which an address with a fragment cannot be opened.
for (const link of document.querySelectorAll("nav a"))
  link.addEventListener("click", (event) => {
    event.preventDefault();
    const section = document.querySelector(link.getAttribute("href"));
    section.tabIndex = -1;
    section.focus({ preventScroll: true });
    section.scrollIntoView();
  });
