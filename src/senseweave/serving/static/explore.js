// Draws duplicates and groups. Everything from documents goes into text nodes and attributes, never into markup.

import { element, fileName } from "./cards.js";

const SHOWN = 6;

function thumbnail(id, label) {
  const picture = element("img", { src: `/api/records/${encodeURIComponent(id)}/thumbnail?width=320`, alt: label, loading: "lazy" });
  picture.addEventListener("error", () => picture.remove());
  return picture;
}

function listed(entries, likeIt) {
  return element("ul", { class: "members" }, ...entries.map(({ id, source, note }) => element("li", {},
    element("button", { type: "button", class: "like", onclick: () => likeIt({ id, links: {} }, fileName(source)), title: source }, fileName(source)),
    note ? element("span", { class: "place" }, ` ${note}`) : null)));
}

function box(title, place, pictured, entries, likeIt) {
  return element("li", { class: "card", tabindex: "-1" },
    pictured ? element("div", { class: "shown" }, thumbnail(pictured, title)) : null,
    element("div", { class: "body" }, element("h2", {}, title), element("p", { class: "place" }, place), listed(entries, likeIt)));
}

function duplicate(group, likeIt) {
  const copies = [group.best, ...group.others];
  const entries = copies.map((copy, at) => ({
    id: copy.ids[0], source: copy.source, note: at ? `score ${copy.score.toFixed(2)}` : "the best copy",
  }));
  const pictured = ["image", "video"].includes(group.modality) ? group.best.ids[0] : null;
  const kind = group.kind === "equal" ? "the same bytes" : "nearly the same";
  return box(fileName(group.best.source), `${group.modality} · ${copies.length} copies, ${kind}`, pictured, entries, likeIt);
}

function cluster(group, likeIt) {
  const kinds = Object.entries(group.modalities).map(([kind, count]) => `${count} ${kind}`).join(", ");
  const entries = group.records.slice(0, SHOWN);
  return box(group.name, kinds, group.modalities.image ? group.records[0].id : null, entries, likeIt);
}

// Returns the cards of `duplicates` or `clusters`, and a sentence about them.
export async function explored(kind, likeIt) {
  const answer = await fetch(kind === "clusters" ? `/api/clusters?outliers=${SHOWN}` : `/api/${kind}`);
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error ? found.error.message : answer.statusText);
  const groups = kind === "duplicates" ? found.groups : found.clusters;
  const draw = kind === "duplicates" ? duplicate : cluster;
  const nothing = kind === "duplicates" ? "Nothing is there twice." : "There are no groups.";
  const count = `${groups.length} ${groups.length === 1 ? "group" : "groups"}`;
  const cards = groups.map((group) => draw(group, likeIt));
  const alone = kind === "clusters" ? found.outliers : [];
  if (alone.length) cards.push(box("Far from everything", "what is least like the rest, the farthest first", null, alone, likeIt));
  return [cards, groups.length ? `${count} of ${kind === "duplicates" ? "copies" : "similar contents"}` : nothing];
}
