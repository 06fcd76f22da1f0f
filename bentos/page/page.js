"use strict";

let photo = null;
let shown = 0;
let model = null;

async function readModel() {
  try {
    model = await (await ask("model")).json();
    at("model").textContent = `${model.name}, version ${model.version ?? "candidate"}: ${model.classes.join(", ")}`;
    at("explained").replaceChildren(...model.classes.map((name) => new Option(name, name)));
    at("key-form").hidden = true;
    say("");
  } catch (error) {
    say(error.message);
  }
}

function showAnswer(answer) {
  at("label").textContent = answer.label;
  at("decision").textContent = answer.decision;
  at("decision").className = answer.decision;
  const threshold = model?.routing?.threshold;
  at("why").textContent = threshold == null
    ? `Confidence ${percent(answer.confidence)}; no threshold is certified, so every answer goes to review.`
    : `Confidence ${percent(answer.confidence)}; ${threshold > 0 ? `accepted from ${percent(threshold)}` : "every answer is accepted"}.`;
  const sorted = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);
  showBars(sorted);
  at("answer").hidden = false;
}

async function showMap(label, turn) {
  const response = await askPhoto(photo, `explain?label=${encodeURIComponent(label)}`, "image/png");
  const picture = await response.blob();
  if (turn !== shown) return;
  showPicture("map", picture);
  at("map").alt = `What in the photo speaks for ${label}`;
  at("explained").value = label;
  at("map-figure").hidden = false;
}

async function take(file) {
  photo = file;
  shown += 1;
  const turn = shown;
  at("answer").hidden = true;
  at("map-figure").hidden = true;
  say("Looking at the photo …");
  try {
    const answer = await (await askPhoto(photo, "predict", "application/json")).json();
    if (turn !== shown) return;
    // A running service may have taken another model since the page was opened.
    if (!model || answer.model_version !== `${model.name}:${model.version ?? "candidate"}`) await readModel();
    showPicture("preview", file);
    showAnswer(answer);
    say("");
    if (model?.explains) await showMap(answer.label, turn);
  } catch (error) {
    if (turn === shown) say(error.message);
  }
}

at("photo").addEventListener("change", (event) => {
  if (event.target.files.length) take(event.target.files[0]);
});
at("explained").addEventListener("change", (event) => {
  showMap(event.target.value, shown).catch((error) => say(error.message));
});
at("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  takeKey();
  readModel().then(() => { if (photo && model) take(photo); });
});
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    at("drop").classList.toggle("over", name === "dragover");
  });
}
document.addEventListener("drop", (event) => {
  const [file] = event.dataTransfer.files;
  if (file) take(file);
});
readModel();
