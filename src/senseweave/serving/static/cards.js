// Draws hits. Everything from documents goes into text nodes and attributes, never into markup.

const LONG = 420;
const WORD = /[\p{L}\p{N}]+/gu;
const COMMON = new Set(("an and are as at be by do does for from how in is it of on or that the this to was what when " +
  "where which who why with").split(" "));  // words that say nothing, and would be marked everywhere

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") made.addEventListener("click", value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

export function clock(seconds) {
  const rest = Math.floor(seconds % 60).toString().padStart(2, "0");
  return `${Math.floor(seconds / 60)}:${rest}`;
}

export function words(text) {
  return [...text.toLowerCase().matchAll(WORD)].map((match) => match[0]).filter((word) => word.length > 1 && !COMMON.has(word));
}

// Words are the same but for an ending: a plural, or what follows four equal letters, such as barks and barking.
function isSame(one, other) {
  let shared = 0;
  while (shared < one.length && one[shared] === other[shared]) shared += 1;
  const endings = [one.slice(shared), other.slice(shared)];
  const isPlural = shared > 1 && endings.includes("") && endings.every((ending) => ["", "s", "es"].includes(ending));
  return one === other || isPlural || (shared > 3 && endings.every((ending) => ending.length <= 3));
}

function isAsked(word, asked) {
  return asked.some((other) => isSame(word.toLowerCase(), other));
}

export function marked(text, asked) {
  const pieces = [];
  let end = 0;
  for (const match of asked.length ? text.matchAll(WORD) : []) {
    if (isAsked(match[0], asked)) {
      pieces.push(text.slice(end, match.index), element("mark", {}, match[0]));
      end = match.index + match[0].length;
    }
  }
  return [...pieces, text.slice(end)];
}

export function fileName(source) {
  return source.split(/[\\/]/).filter(Boolean).pop() || source;
}

function playable(hit, tag) {
  const player = element(tag, { controls: true, preload: "none", "aria-label": fileName(hit.source) });
  const fragment = hit.span ? `#t=${hit.span[0]},${hit.span[1]}` : "";
  player.src = hit.links.original + fragment;
  if (tag === "video") player.poster = `${hit.links.thumbnail}?width=640`;
  return player;
}

function shown(hit) {
  const box = element("div", { class: "shown" });
  if (!hit.links.original) return null;
  if (hit.shown_modality === "audio") {
    box.append(element("img", { class: "wave", src: hit.links.thumbnail, alt: "", loading: "lazy" }), playable(hit, "audio"));
  } else if (hit.shown_modality === "video") {
    box.append(playable(hit, "video"));
  } else if (hit.links.thumbnail) {
    const picture = element("img", { src: `${hit.links.thumbnail}?width=640`, alt: hit.text.slice(0, 200), loading: "lazy" });
    picture.addEventListener("error", () => picture.replaceWith(element("p", { class: "place" }, "The file is no longer as it was indexed.")));
    box.append(element("a", { href: hit.links.original, target: "_blank", rel: "noopener" }, picture));
  } else {
    return null;
  }
  return box;
}

function place(hit) {
  const said = [hit.shown_modality];
  if (hit.span) said.push(`${clock(hit.span[0])} to ${clock(hit.span[1])}`);
  if (hit.page) said.push(`page ${hit.page}`);
  if (hit.part) said.push(hit.part);
  if (hit.sources.length > 1) said.push(`the same content in ${hit.sources.length} files`);
  return element("p", { class: "place", title: hit.source }, said.join(" · "));
}

function passage(hit, asked) {
  const text = element("p", { class: "text", dir: "auto" }, ...marked(hit.text, asked));
  if (hit.text.length <= LONG) return [text];
  text.classList.add("short");
  const toggle = element("button", {
    type: "button",
    "aria-expanded": "false",
    onclick: () => {
      const isShort = text.classList.toggle("short");
      toggle.textContent = isShort ? "Show all" : "Show less";
      toggle.setAttribute("aria-expanded", String(!isShort));
    },
  }, "Show all");
  return [text, toggle];
}

function jumps(hit, asked, box) {
  const player = box && box.querySelector("audio, video");
  if (!player) return [];
  const said = hit.words.filter(([word]) => isAsked((word.match(WORD) || [""])[0], asked)).slice(0, 6);
  const spans = hit.spans.filter(([start]) => !hit.span || start !== hit.span[0]).slice(0, 6);
  const places = [...said.map(([word, at]) => [`“${word.trim()}” at ${clock(at)}`, at]), ...spans.map(([at]) => [`from ${clock(at)}`, at])];
  return places.map(([label, at]) => element("button", {
    type: "button",
    onclick: () => {
      player.src = `${hit.links.original}#t=${at}`;
      player.play();
    },
  }, label));
}

export function card(hit, queried, methods, likeIt) {
  const asked = [...queried, ...words(hit.matched_words.join(" "))];
  const box = shown(hit);
  const meaning = methods[hit.calibration] || hit.calibration;
  const score = element("p", { class: "score", title: meaning },
    "Score ", element("b", {}, hit.score.toFixed(2)), ` (${hit.calibration}), cosine ${hit.raw_score.toFixed(2)}`);
  const name = fileName(hit.source);
  const acts = element("div", { class: "acts" },
    element("button", { type: "button", class: "like", "aria-label": `More like this: ${name}`, onclick: () => likeIt(hit, name) }, "More like this"),
    hit.links.original ? element("a", { class: "open", href: hit.links.original, target: "_blank", rel: "noopener", "aria-label": `Open: ${name}` }, "Open") : null,
    ...jumps(hit, asked, box));
  const body = element("div", { class: "body" }, element("h2", {}, name), place(hit), ...passage(hit, asked), score, acts);
  return element("li", { class: "card", tabindex: "-1", "data-id": hit.id }, box, body);
}
