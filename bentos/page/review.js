"use strict";

// One photo at a time: it is shown, somebody says what it is, that is kept by the service, the next one is shown. What
// the service cannot keep now is kept by the browser, over a reload too, and sent again until it is kept.

const KEYED = 9;
const FOUND = 8;
const RETRY_MS = 2000;
const GONE = 404;
const UNSENT = "quality-gate-unsent-";
const HISTORY = "quality-gate-history";

let turn = null;
let photo = null;
let busy = false;
let sending = null;
let wake = () => {};
let withMap = false;
const desk = takeDesk();
let history = JSON.parse(sessionStorage.getItem(HISTORY) || "[]");
// What can be taken back after a reload counts after it too.
let reviewed = history.reduce((sum, { count }) => sum + count, 0);

// Random also where the page has no secure context, as on the network of a workshop.
function newId() {
  const hex = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

// A reload stays at its desk; a copy of the tab gets one of its own, for only a page that is left writes its desk down.
function takeDesk() {
  const id = sessionStorage.getItem("quality-gate-desk") || newId();
  sessionStorage.removeItem("quality-gate-desk");
  window.addEventListener("pagehide", () => sessionStorage.setItem("quality-gate-desk", id));
  window.addEventListener("pageshow", () => sessionStorage.removeItem("quality-gate-desk"));
  return id;
}

function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, { method: "POST", body: JSON.stringify(body), headers }).then((response) => response.json());
}

// Whether the same may be answered later: the network, the database, a crowd, a key that is asked for.
function isPassing(error) {
  return error.status === undefined || error.status >= 500 || [401, 429].includes(error.status);
}

// Ends when it is worth trying again: after a while, or with a key where one is asked for.
function pause(error) {
  return new Promise((resolve) => {
    wake = resolve;
    if (error.status !== 401) setTimeout(resolve, RETRY_MS);
  });
}

// Asks until there is an answer; `goesOn` says whether it is still wanted.
async function insist(attempt, explain, goesOn = () => true) {
  while (goesOn()) {
    try {
      const answer = await attempt();
      at("key-form").hidden = true;
      return answer;
    } catch (error) {
      if (!isPassing(error)) throw error;
      if (error.status === 401) say("Give your API key: reviews are kept under its name.");
      else say(explain(error.status === undefined ? "The service cannot be reached." : error.message));
      await pause(error);
    }
  }
  return null;
}

function remember(action) {
  localStorage.setItem(UNSENT + action.id, JSON.stringify(action));
}

function forget(action) {
  localStorage.removeItem(UNSENT + action.id);
}

// Sent by the page that was left, or never answered: the id makes it the same review however often it is sent.
async function sendRemembered(reviewer) {
  const names = Object.keys(localStorage).filter((name) => name.startsWith(UNSENT));
  let sent = 0;
  for (const name of names) {
    const action = JSON.parse(localStorage.getItem(name) || "null");
    if (!action || action.reviewer !== reviewer) continue;
    await send(action).catch((error) => say(error.message));
    sent += 1;
  }
  return sent;
}

async function send({ id, desk: from, photo: sha256, verdict, label }) {
  try {
    await insist(
      () => post("review/record", { id, desk: from, photo: sha256, verdict, label }),
      (reason) => `${reason} Your answer is kept in this browser and sent again.`,
      () => sending?.id !== id || !sending.cancelled,
    );
  } finally {
    forget({ id });
  }
}

async function decide(verdict, label = null) {
  if (busy || !turn?.photo) return;
  busy = true;
  const action = { id: newId(), desk, photo: turn.photo.sha256, verdict, label, reviewer: turn.reviewer };
  sending = action;
  remember(action);
  mark(verdict, label);
  try {
    await send(action);
    if (action.cancelled) {
      // Perhaps it was kept, and only the word of it was lost: then it is taken back there.
      await insist(() => takeBack(action.id), (reason) => reason).catch(() => null);
      say("Taken back.");
    } else {
      note(action.id, verdict === "skip" ? 0 : 1);
      say("");
    }
  } catch (error) {
    // Nothing to wait for: the next photo comes, with the reason.
    await next(error.message);
    return;
  } finally {
    sending = null;
    mark();
    busy = false;
  }
  if (!action.cancelled) await next();
}

function note(id, count) {
  history.push({ id, count });
  reviewed += count;
  keepHistory();
}

function keepHistory() {
  history = history.slice(-200);
  sessionStorage.setItem(HISTORY, JSON.stringify(history));
  at("undo").disabled = !history.length;
}

async function undo() {
  if (sending) {
    sending.cancelled = true;
    wake();
    return;
  }
  if (busy || !history.length) return;
  busy = true;
  const last = history[history.length - 1];
  try {
    const found = await insist(() => takeBack(last.id), (reason) => `${reason} It is tried again.`);
    history.pop();
    reviewed -= last.count;
    keepHistory();
    if (found.photo) await show(found, "Taken back.");
    else await next("Taken back; somebody else has that photo now, or its file is gone.");
  } catch (error) {
    history.pop();
    keepHistory();
    say(error.message);
  } finally {
    busy = false;
  }
}

function takeBack(id) {
  return post("review/undo", { desk, id });
}

async function next(reason = "") {
  busy = true;
  try {
    let found = await askNext();
    if (await sendRemembered(found.reviewer)) found = await askNext();
    await show(found, reason);
  } catch (error) {
    at("turn").hidden = true;
    say(error.message);
  } finally {
    busy = false;
  }
}

function askNext() {
  return insist(() => post("review/next", { desk }), (reason) => `${reason} It is tried again.`);
}

async function show(found, reason = "") {
  turn = found;
  const mine = reviewed ? `, you reviewed ${reviewed}` : "";
  at("progress").textContent = `${found.waiting} wait${found.waiting === 1 ? "s" : ""}${mine} · ${found.reviewer}`;
  at("map").hidden = true;
  at("shown").hidden = false;
  if (!found.photo) {
    at("turn").hidden = true;
    say([reason, nothingLeft(found)].filter(Boolean).join(" "));
    return;
  }
  let problem = "";
  try {
    photo = await readPhoto(found.photo.sha256);
  } catch (error) {
    photo = null;
    problem = error.status === GONE ? `${error.message} Skip it.` : error.message;
  }
  say([reason, problem].filter(Boolean).join(" "));
  at("name").textContent = found.photo.name;
  showBars(found.photo.best.map(({ label, probability }) => [label, probability]));
  showClasses(found.classes);
  at("turn").hidden = false;
  at("shown").hidden = !photo;
  if (photo) showPicture("shown", photo);
  if (photo && withMap) await showMap();
}

function readPhoto(sha256) {
  const read = async () => (await ask(`review/photo?photo=${sha256}`)).blob();
  return insist(read, (reason) => `${reason} It is tried again.`);
}

function nothingLeft(found) {
  return [
    "Nothing waits for you.",
    found.waiting ? `Others look at ${found.waiting} now.` : "",
    found.missing ? `The files of ${found.missing} are not here, or not any more: they cannot be reviewed.` : "",
  ].filter(Boolean).join(" ");
}

function classButton(name, shortcut) {
  const button = Object.assign(document.createElement("button"), { type: "button" });
  button.dataset.label = name;
  if (shortcut) {
    button.setAttribute("aria-keyshortcuts", shortcut);
    button.append(Object.assign(document.createElement("kbd"), { textContent: shortcut }), " ");
  }
  button.append(name);
  button.addEventListener("click", () => decide("label", name));
  return button;
}

function showClasses(classes) {
  at("classes").replaceChildren(...classes.slice(0, KEYED).map((name, place) => classButton(name, String(place + 1))));
  at("more").hidden = classes.length <= KEYED;
  at("search").value = "";
  at("found").replaceChildren();
}

function search() {
  const wanted = at("search").value.trim().toLowerCase();
  const names = turn.classes.filter((name) => name.toLowerCase().includes(wanted));
  // What begins with it comes first.
  names.sort((a, b) => b.toLowerCase().startsWith(wanted) - a.toLowerCase().startsWith(wanted));
  at("found").replaceChildren(...(wanted ? names : []).slice(0, FOUND).map((name) => classButton(name, "")));
}

function mark(verdict = null, label = null) {
  for (const button of document.querySelectorAll("#classes button, #found button, #other [data-verdict]")) {
    const chosen = verdict === "label" ? button.dataset.label === label : button.dataset.verdict === verdict;
    button.disabled = verdict !== null && !chosen;
  }
  at("undo").disabled = verdict === null && !history.length;
}

async function showMap() {
  const [best] = turn.photo.best;
  const asked = turn;
  try {
    const response = await askPhoto(photo, `explain?label=${encodeURIComponent(best.label)}`, "image/png");
    const picture = await response.blob();
    if (asked !== turn || !withMap) return;
    showPicture("map", picture);
    at("map").alt = `What in the photo speaks for ${best.label}`;
    at("name").textContent = at("map").alt;
    at("map").hidden = false;
    at("shown").hidden = true;
  } catch (error) {
    say(error.message);
  }
}

function toggleMap() {
  if (!turn?.photo || !photo) return;
  withMap = !withMap;
  at("toggle").setAttribute("aria-pressed", String(withMap));
  if (withMap) {
    showMap();
    return;
  }
  at("map").hidden = true;
  at("shown").hidden = false;
  at("name").textContent = turn.photo.name;
}

function pressed(event) {
  // A key that is held down would answer photos that nobody has seen.
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target instanceof HTMLInputElement) return;
  const place = "123456789".indexOf(event.key);
  const act = {
    u: () => decide("unknown"), s: () => decide("skip"), z: undo, m: toggleMap, "/": () => at("search").focus(),
  }[event.key.toLowerCase()];
  if (event.key.length === 1 && place >= 0 && turn && place < Math.min(turn.classes.length, KEYED)) {
    decide("label", turn.classes[place]);
  } else if (act) {
    event.preventDefault();
    act();
  }
}

document.addEventListener("keydown", pressed);
for (const button of document.querySelectorAll("#other [data-verdict]")) {
  button.addEventListener("click", () => decide(button.dataset.verdict));
}
at("toggle").addEventListener("click", toggleMap);
at("undo").addEventListener("click", undo);
at("search").addEventListener("input", search);
at("search").addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    at("search").value = "";
    at("search").blur();
  } else if (event.key === "Enter" && at("found").firstChild) {
    at("search").blur();
    decide("label", at("found").firstChild.dataset.label);
  }
});
at("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  takeKey();
  wake();
});
at("shown").addEventListener("error", () => say("This browser cannot show the photo; skip it."));
keepHistory();
next();
