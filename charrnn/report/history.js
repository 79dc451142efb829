"use strict";

{
  const data = readData("history"), curves = document.getElementById("history-body"), samples = document.getElementById("samples-body");
  const series = [["train", data.train], ["val", data.val]].filter(([, points]) => points.length).map(([name, points]) => ({ name, points }));
  if (series.length) {
    curves.append(chart({ label: "Loss by optimizer step", x: "Step", y: "Loss (nats per character)", series, levels: data.baselines }));
    if (data.train.length > 1)
      curves.append(element("p", { class: "muted" }, "A point of a long curve is the mean of the steps up to it. Baselines are simpler models on the held-out text."));
  } else curves.append(element("p", { class: "muted" }, data.missing || "The run has recorded no losses."));

  if (data.samples.length) {
    const last = data.samples.length - 1;
    const slider = element("input", { type: "range", min: "0", max: String(last), step: "1", id: "samples-step" });
    slider.value = String(last);
    const step = element("output", { for: "samples-step" });
    const text = element("div", { class: "text", tabindex: "0", role: "group", "aria-label": "Sample at this step", "aria-live": "polite" });
    const show = () => {
      const [at, sample] = data.samples[Number(slider.value)];
      step.textContent = `step ${at.toLocaleString("en")}`;
      slider.setAttribute("aria-valuetext", step.textContent);
      text.textContent = [...sample].map(shown).join("");
    };
    slider.addEventListener("input", show);
    samples.append(element("p", {}, element("label", { for: "samples-step" }, "The same prime and random seed, at "), step), slider, text);
    show();
  } else samples.append(element("p", { class: "muted" }, data.missing || "The run has kept no samples of its training."));
}
