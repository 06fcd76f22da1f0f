"use strict";

// What the pages share: how they ask the service, and how they show what it says.

const at = (id) => document.getElementById(id);
let key = "";

function takeKey() {
  key = at("key").value.trim();
}

async function ask(path, options = {}) {
  const headers = { ...(options.headers || {}), ...(key ? { "X-API-Key": key } : {}) };
  const response = await fetch(path, { ...options, headers });
  if (response.ok) return response;
  if (response.status === 401 && at("key-form").hidden) {
    at("key-form").hidden = false;
    at("key").focus();
  }
  const said = await response.json().catch(() => ({}));
  const error = new Error(said.error || `The service answered ${response.status}.`);
  error.status = response.status;
  throw error;
}

async function askPhoto(photo, path, accept) {
  const form = new FormData();
  form.append("image", photo);
  return ask(path, { method: "POST", body: form, headers: { Accept: accept } });
}

function say(sentence) {
  at("said").textContent = sentence;
}

function percent(share) {
  return `${(100 * share).toFixed(1)}%`;
}

// Probabilities of classes, as pairs of name and share.
function showBars(pairs) {
  at("bars").replaceChildren(...pairs.map(([name, share]) => {
    const item = document.createElement("li");
    const label = Object.assign(document.createElement("span"), { className: "name", textContent: name });
    const bar = Object.assign(document.createElement("progress"), { max: 1, value: share });
    bar.setAttribute("aria-label", name);
    const figure = Object.assign(document.createElement("span"), { className: "share", textContent: percent(share) });
    item.append(label, bar, figure);
    return item;
  }));
}

function showPicture(id, blob) {
  URL.revokeObjectURL(at(id).src);
  at(id).src = URL.createObjectURL(blob);
}
