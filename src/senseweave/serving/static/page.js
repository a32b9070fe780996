// The page: asks the API, and keeps what was asked for in the address.

import { card, element, words } from "./cards.js";
import { explored } from "./explore.js";

const PAGE = 24;
const VARIED = 0.5;  // how much varied hits differ from each other, from 0 to 1
const find = (id) => document.getElementById(id);
const query = find("query"), results = find("results"), status = find("status"), problem = find("error"), next = find("next");

let info = { modalities: [], methods: {}, rerankers: [] };
let parts = [];  // {file, label, url} or {like, label}
let shownHits = 0;
let latest = 0;  // number of the newest search; answers to older ones are dropped

function request(offset) {
  const chosen = [...document.querySelectorAll("#modalities input:checked")].map((box) => box.value);
  const files = parts.filter((part) => part.file);
  const asked = { k: PAGE, offset, group: find("group").checked, parts: [] };
  if (query.value.trim()) {
    asked.query = query.value;
    asked.words = find("words").checked;
  }
  for (const part of parts) asked.parts.push(part.file ? { file: files.indexOf(part) } : { like: part.like });
  if (find("varied").checked) asked.diversity = VARIED;
  if (find("least").value) asked.min_score = Number(find("least").value);
  for (const name of ["fusion", "rerank"]) if (find(name).value) asked[name] = find(name).value;
  if (chosen.length && chosen.length < info.modalities.length) asked.modalities = chosen;
  const added = {};
  if (find("from").value) added.$gte = new Date(`${find("from").value}T00:00:00`).getTime() / 1000;
  if (find("until").value) added.$lte = new Date(`${find("until").value}T23:59:59.999`).getTime() / 1000;
  if (Object.keys(added).length) asked.filter = { added_at: added };
  return [asked, files.map((part) => part.file)];
}

async function send(asked, files) {
  if (!files.length) {
    return fetch("/api/search", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(asked) });
  }
  const form = new FormData();
  form.append("request", JSON.stringify(asked));
  for (const file of files) form.append("files", file, file.name);
  return fetch("/api/search/upload", { method: "POST", body: form });
}

async function search(offset = 0) {
  const number = ++latest;
  problem.hidden = true;
  if (!query.value.trim() && !parts.length) return empty();
  status.textContent = "Searching…";
  try {
    const answer = await send(...request(offset));
    const found = await answer.json();
    if (number !== latest) return undefined;
    if (!answer.ok) throw new Error(found.error ? found.error.message : answer.statusText);
    draw(found, offset);
    remember();
  } catch (error) {
    if (number !== latest) return undefined;
    status.textContent = "";
    if (!offset) results.replaceChildren();
    next.hidden = true;
    problem.textContent = error instanceof TypeError ? "The server does not answer." : error.message;
    problem.hidden = false;
  }
  return undefined;
}

function draw(found, offset) {
  const asked = words(query.value);
  const cards = found.hits.map((hit) => card(hit, asked, info.methods, likeIt));
  if (offset) results.append(...cards);
  else results.replaceChildren(...cards);
  const methods = [...new Set(found.hits.map((hit) => hit.calibration))];
  find("meaning").textContent = methods.map((name) => `${name}: ${info.methods[name] || ""}`).join(" ");
  shownHits = offset + cards.length;
  next.hidden = cards.length < PAGE;
  const count = `${shownHits} ${shownHits === 1 ? "hit" : "hits"}`;
  status.textContent = shownHits ? `${count} in ${found.seconds.toFixed(2)} seconds` : found.note || "Nothing found. Fewer filters may help.";
  if (offset && cards.length) cards[0].focus();
}

async function explore(kind) {
  const number = ++latest;
  problem.hidden = true;
  next.hidden = true;
  find("meaning").textContent = "";
  status.textContent = "Looking through the index; this may take a minute…";
  try {
    const [cards, said] = await explored(kind, likeIt);
    if (number !== latest) return;
    results.replaceChildren(...cards);
    status.textContent = said;
  } catch (error) {
    if (number !== latest) return;
    status.textContent = "";
    results.replaceChildren();
    problem.textContent = error instanceof TypeError ? "The server does not answer." : error.message;
    problem.hidden = false;
  }
}

function empty() {
  results.replaceChildren();
  find("meaning").textContent = "";
  next.hidden = true;
  const kinds = info.modalities.join(", ") || "nothing";
  status.textContent = info.records ? `${info.records} ${info.records === 1 ? "record" : "records"} of ${kinds}.` : info.note;
  return undefined;
}

function remember() {
  const address = new URL(location.href);
  address.search = "";
  if (query.value.trim() && !parts.length) address.searchParams.set("q", query.value);
  history.replaceState(null, "", address);
}

function likeIt(hit, name) {
  parts = [{ like: hit.id, label: `like ${name}`, url: hit.links.thumbnail }];
  query.value = "";
  drawParts();
  search();
  scrollTo({ top: 0 });
}

function attach(files) {
  for (const file of files) {
    parts.push({ file, label: file.name || "pasted", url: file.type.startsWith("image/") ? URL.createObjectURL(file) : null });
  }
  drawParts();
  if (files.length) search();
}

function drawParts() {
  find("parts").replaceChildren(...parts.map((part) => element("li", {},
    part.url ? element("img", { src: part.url, alt: "" }) : null,
    element("span", {}, part.label),
    element("button", { type: "button", "aria-label": `Remove ${part.label}`, onclick: () => remove(part) }, "×"))));
}

function remove(part) {
  if (part.file && part.url) URL.revokeObjectURL(part.url);
  parts = parts.filter((other) => other !== part);
  drawParts();
  search();
}

function drawFilters() {
  find("modalities").replaceChildren(...info.modalities.map((modality) => element("label", {},
    element("input", { type: "checkbox", value: modality, checked: true }), " ", element("span", { class: "kind" }, modality))));
  find("fusion").append(...Object.keys(info.methods).map((name) => element("option", { value: name }, name)));
  find("rerank").append(...info.rerankers.map((name) => element("option", { value: name }, name)));
  find("reranked").hidden = !info.rerankers.length;
}

function move(step) {
  const cards = [...results.children];
  if (!cards.length) return;
  const at = cards.indexOf(document.activeElement.closest(".card"));
  const chosen = cards[Math.min(Math.max(at + step, 0), cards.length - 1)];
  chosen.focus();
  chosen.scrollIntoView({ block: "nearest" });
}

function onKey(event) {
  const typing = event.target.matches("input:not([type=checkbox]), textarea");
  const current = document.activeElement.closest(".card");
  if (event.key === "Escape") {
    parts = [];
    query.value = "";
    drawParts();
    search();
    query.focus();
  } else if (typing || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  } else if (event.key === "/") {
    query.focus();
  } else if (event.key === "j" || event.key === "k") {
    move(event.key === "j" ? 1 : -1);
  } else if (event.key === "m" && current) {
    current.querySelector(".like").click();
  } else if (event.key === "Enter" && current && event.target === current) {
    current.querySelector(".open")?.click();
  } else {
    return;
  }
  event.preventDefault();
}

function listen() {
  find("search").addEventListener("submit", (event) => { event.preventDefault(); search(); });
  find("filters").addEventListener("change", () => search());
  find("file").addEventListener("change", (event) => { attach([...event.target.files]); event.target.value = ""; });
  for (const button of document.querySelectorAll("[data-view]")) button.addEventListener("click", () => explore(button.dataset.view));
  next.addEventListener("click", () => search(shownHits));
  document.addEventListener("keydown", onKey);
  document.addEventListener("paste", (event) => attach([...event.clipboardData.files]));
  const hint = find("drop");
  document.addEventListener("dragover", (event) => { event.preventDefault(); hint.hidden = false; });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) hint.hidden = true; });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    hint.hidden = true;
    attach([...event.dataTransfer.files]);
  });
}

async function begin() {
  listen();
  try {
    info = await (await fetch("/api/info")).json();
  } catch {
    problem.textContent = "The server does not answer.";
    problem.hidden = false;
    return;
  }
  drawFilters();
  query.value = new URL(location.href).searchParams.get("q") || "";
  search();
}

begin();
