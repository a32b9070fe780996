"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const count = data.count;
  const bytes = Uint8Array.from(atob(data.places), (c) => c.charCodeAt(0));
  const places = new Float32Array(bytes.buffer); // x and y of each point, from -1 to 1
  const canvas = document.getElementById("map");
  const card = document.getElementById("card");
  const legend = document.getElementById("legend");
  const select = document.getElementById("color");
  const palette = ["#3b7dd8", "#e0702e", "#2f9e5b", "#b3489e", "#c9a227", "#17a2a8", "#d64550", "#7a67d8", "#8c6d46",
    "#5f8f1f", "#e377c2", "#4d6a8a"];
  const gray = "#8a9099";
  const view = { x: 0, y: 0, scale: 1 };
  const hidden = new Set();
  let words = null; // titles and texts in lower case, once something is searched for
  let found = null; // points that match what is searched for, or null for all
  let column = data.columns[0];
  let current = -1;
  let pinned = false;
  let waiting = false;

  // Points have soft edges of their own: multisampling would cost a processor without a GPU half of its frames.
  const gl = canvas.getContext("webgl", { antialias: false, depth: false });
  const plane = gl ? null : canvas.getContext("2d");
  let program, placeBuffer, colorBuffer, uniforms, placeAt, colorAt;

  // While the map moves and frames come slowly, every second point is drawn, or every fourth, and so on; at rest, all.
  const SLOW = 30, REST = 150; // milliseconds between frames, and after the last
  const FEW = 10000, MOST_STEP = 16; // points that are drawn in any case; WebGL takes strides of 255 bytes
  let step = 1, drawn = 0, resting = 0;

  function shader(kind, source) {
    const made = gl.createShader(kind);
    gl.shaderSource(made, source);
    gl.compileShader(made);
    return made;
  }

  function setUp() {
    if (!gl) return;
    program = gl.createProgram();
    gl.attachShader(program, shader(gl.VERTEX_SHADER, `
      attribute vec2 place; attribute vec4 color; uniform vec2 shift; uniform vec2 zoom; uniform float size;
      varying vec4 shown;
      void main() { gl_Position = vec4((place + shift) * zoom, 0.0, 1.0); gl_PointSize = size; shown = color; }`));
    gl.attachShader(program, shader(gl.FRAGMENT_SHADER, `
      precision mediump float; varying vec4 shown; uniform float edge;
      void main() {
        float inside = clamp((0.5 - length(gl_PointCoord - 0.5)) * edge, 0.0, 1.0);
        gl_FragColor = vec4(shown.rgb, 1.0) * shown.a * inside;
      }`));
    gl.linkProgram(program);
    gl.useProgram(program);
    uniforms = Object.fromEntries(["shift", "zoom", "size", "edge"].map((name) => [name, gl.getUniformLocation(program, name)]));
    placeBuffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, placeBuffer);
    gl.bufferData(gl.ARRAY_BUFFER, places, gl.STATIC_DRAW);
    colorBuffer = gl.createBuffer();
    [placeAt, colorAt] = ["place", "color"].map((name) => gl.getAttribLocation(program, name));
    gl.enableVertexAttribArray(placeAt);
    gl.enableVertexAttribArray(colorAt);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  function isShown(at) {
    return !hidden.has(column.codes[at]) && (found === null || found.has(at));
  }

  function paint() {
    if (!gl) return redraw();
    const dots = new Uint8Array(count * 4), known = new Map();
    for (let at = 0; at < count; at++) {
      const code = column.codes[at];
      if (!known.has(code)) known.set(code, parseInt(colorOf(code).slice(1), 16));
      const hex = known.get(code);
      dots[4 * at] = hex >> 16;
      dots[4 * at + 1] = (hex >> 8) & 255;
      dots[4 * at + 2] = hex & 255;
      dots[4 * at + 3] = isShown(at) ? 215 : 12;
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, colorBuffer);
    gl.bufferData(gl.ARRAY_BUFFER, dots, gl.STATIC_DRAW);
    return redraw();
  }

  function colorOf(code) {
    return code < 0 || column.names[code] === "" ? gray : palette[code % palette.length];
  }

  function beside() { // width of what stands left of the map, where there is room for both
    return canvas.clientWidth > 600 ? 260 : 0;
  }

  function unit() {
    return 0.46 * Math.min(canvas.clientWidth - beside(), canvas.clientHeight) * view.scale;
  }

  function pointSize() {
    return Math.max(2, Math.min(10, (count > 20000 ? 2.5 : count > 2000 ? 4 : 7) * Math.sqrt(view.scale)));
  }

  function pace(now) {
    const gap = now - drawn;
    drawn = now;
    clearTimeout(resting);
    if (gap < REST && gap > SLOW && count / step > FEW && step < MOST_STEP) step *= 2;
    if (step > 1) resting = setTimeout(() => { draw(1); step /= 2; }, REST);
    draw(step);
  }

  function draw(every) {
    waiting = false;
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    if (gl) {
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform2f(uniforms.shift, -view.x, -view.y);
      gl.uniform2f(uniforms.zoom, 2 * unit() / width, 2 * unit() / height);
      gl.uniform1f(uniforms.size, pointSize() * ratio);
      gl.uniform1f(uniforms.edge, pointSize() * ratio);
      gl.bindBuffer(gl.ARRAY_BUFFER, placeBuffer);
      gl.vertexAttribPointer(placeAt, 2, gl.FLOAT, false, 8 * every, 0);
      gl.bindBuffer(gl.ARRAY_BUFFER, colorBuffer);
      gl.vertexAttribPointer(colorAt, 4, gl.UNSIGNED_BYTE, true, 4 * every, 0);
      gl.drawArrays(gl.POINTS, 0, Math.ceil(count / every));
      return;
    }
    plane.setTransform(ratio, 0, 0, ratio, 0, 0);
    plane.clearRect(0, 0, width, height);
    const size = pointSize();
    for (let at = 0; at < count; at += every) {
      const [x, y] = onScreen(at);
      if (x < 0 || y < 0 || x > width || y > height) continue;
      plane.globalAlpha = isShown(at) ? 0.85 : 0.05;
      plane.fillStyle = colorOf(column.codes[at]);
      plane.fillRect(x - size / 2, y - size / 2, size, size);
    }
  }

  function redraw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(pace);
  }

  function onScreen(at) {
    return [canvas.clientWidth / 2 + (places[2 * at] - view.x) * unit(),
      canvas.clientHeight / 2 - (places[2 * at + 1] - view.y) * unit()];
  }

  // A grid of cells, so that the point under the pointer is found among few of 100,000.
  const CELLS = 256;
  const grid = new Map();
  for (let at = 0; at < count; at++) {
    const key = cell(places[2 * at]) * CELLS + cell(places[2 * at + 1]);
    if (!grid.has(key)) grid.set(key, []);
    grid.get(key).push(at);
  }

  function cell(value) {
    return Math.max(0, Math.min(CELLS - 1, Math.floor((value + 1) / 2 * CELLS)));
  }

  function pointAt(x, y) {
    const mapX = (x - canvas.clientWidth / 2) / unit() + view.x;
    const mapY = (canvas.clientHeight / 2 - y) / unit() + view.y;
    const reach = 10 / unit();
    let best = -1, least = reach * reach;
    for (let i = cell(mapX - reach); i <= cell(mapX + reach); i++) {
      for (let j = cell(mapY - reach); j <= cell(mapY + reach); j++) {
        for (const at of grid.get(i * CELLS + j) || []) {
          if (!isShown(at)) continue;
          const away = (places[2 * at] - mapX) ** 2 + (places[2 * at + 1] - mapY) ** 2;
          if (away < least) { least = away; best = at; }
        }
      }
    }
    return best;
  }

  function element(name, text) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text; // never HTML: names and texts come from documents
    return made;
  }

  function show(at, x, y) {
    if (at === current && !card.hidden) return;
    current = at;
    card.replaceChildren();
    card.hidden = at < 0;
    if (at < 0) return;
    card.append(element("strong", data.titles[at]));
    card.append(element("div", data.columns.map((entry) => `${entry.title}: ${entry.names[entry.codes[at]] || "none"}`).join("\n")));
    const preview = data.previews[at];
    if (preview && preview.startsWith("data:image/")) {
      const image = element("img");
      image.src = preview;
      image.alt = data.titles[at];
      card.append(image);
    } else if (preview && preview.startsWith("data:audio/")) {
      const player = element("audio");
      player.controls = true;
      player.src = preview;
      card.append(player);
    }
    if (data.texts[at]) card.append(element("div", data.texts[at]));
    const width = canvas.clientWidth, height = canvas.clientHeight;
    card.style.left = `${Math.max(12, x + 16 + card.offsetWidth > width ? x - 16 - card.offsetWidth : x + 16)}px`;
    card.style.top = `${Math.max(12, Math.min(y + 16, height - card.offsetHeight - 12))}px`;
  }

  function pin(at, x, y) {
    pinned = at >= 0;
    card.classList.toggle("pinned", pinned);
    show(at, x, y);
  }

  function zoomBy(factor, x, y) {
    const mapX = (x - canvas.clientWidth / 2) / unit(), mapY = (canvas.clientHeight / 2 - y) / unit();
    const scale = Math.max(0.5, Math.min(200, view.scale * factor));
    const ratio = scale / view.scale;
    view.x += mapX - mapX / ratio;
    view.y += mapY - mapY / ratio;
    view.scale = scale;
    redraw();
  }

  let drag = null;
  const touches = new Map();
  let spread = 0;
  canvas.addEventListener("pointerdown", (event) => {
    touches.set(event.pointerId, event);
    drag = { x: event.clientX, y: event.clientY, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (touches.has(event.pointerId)) touches.set(event.pointerId, event);
    if (touches.size === 2) {
      const [a, b] = [...touches.values()];
      const apart = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
      if (spread) zoomBy(apart / spread, (a.clientX + b.clientX) / 2, (a.clientY + b.clientY) / 2);
      spread = apart;
      drag.moved = true;
    } else if (drag) {
      const x = event.clientX - drag.x, y = event.clientY - drag.y;
      if (!drag.moved && Math.hypot(x, y) < 4) return;
      drag.moved = true;
      view.x -= x / unit();
      view.y += y / unit();
      drag.x = event.clientX;
      drag.y = event.clientY;
      redraw();
    } else if (!pinned) {
      show(pointAt(event.clientX, event.clientY), event.clientX, event.clientY);
    }
  });
  function release(event) {
    touches.delete(event.pointerId);
    spread = 0;
    if (drag && !drag.moved && event.type === "pointerup") pin(pointAt(event.clientX, event.clientY), event.clientX, event.clientY);
    if (!touches.size) drag = null;
  }
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY / 400), event.clientX, event.clientY);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const step = 60 / unit();
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (moves[event.key]) { view.x += moves[event.key][0]; view.y += moves[event.key][1]; redraw(); }
    else if (event.key === "+" || event.key === "-") zoomBy(event.key === "+" ? 1.25 : 0.8, canvas.clientWidth / 2, canvas.clientHeight / 2);
    else if (event.key === "n" || event.key === "N") {
      for (let tried = 1; tried <= count; tried++) {
        const at = (Math.max(current, -1) + tried) % count;
        if (isShown(at)) { view.x = places[2 * at]; view.y = places[2 * at + 1]; redraw(); pin(at, ...onScreen(at)); break; }
      }
    } else if (event.key === "Escape") pin(-1);
  });

  function list() {
    legend.replaceChildren();
    const counts = new Map();
    for (const code of column.codes) counts.set(code, (counts.get(code) || 0) + 1);
    for (const [code, times] of [...counts].sort((a, b) => b[1] - a[1]).slice(0, 40)) {
      const button = element("button");
      const mark = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      mark.setAttribute("width", "12");
      mark.setAttribute("height", "12");
      const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
      for (const [name, value] of [["cx", 6], ["cy", 6], ["r", 6], ["fill", colorOf(code)]]) dot.setAttribute(name, value);
      mark.append(dot);
      button.append(mark, element("span", `${column.names[code] || "none"} (${times})`));
      button.setAttribute("aria-pressed", String(!hidden.has(code)));
      button.addEventListener("click", () => {
        if (!hidden.delete(code)) hidden.add(code);
        button.setAttribute("aria-pressed", String(!hidden.has(code)));
        paint();
      });
      const entry = element("li");
      entry.append(button);
      legend.append(entry);
    }
  }

  data.columns.forEach((entry, at) => {
    const option = element("option", entry.title);
    option.value = String(at);
    select.append(option);
  });
  select.addEventListener("change", () => {
    column = data.columns[Number(select.value)];
    hidden.clear();
    list();
    paint();
  });
  document.getElementById("find").addEventListener("input", (event) => {
    const asked = event.target.value.trim().toLowerCase();
    found = null;
    if (asked) {
      words ??= data.titles.map((title, at) => `${title}\n${data.texts[at]}`.toLowerCase());
      found = new Set();
      words.forEach((text, at) => { if (text.includes(asked)) found.add(at); });
    }
    document.getElementById("count").textContent = asked ? `${found.size} of ${data.summary}` : data.summary;
    paint();
  });
  document.getElementById("count").textContent = data.summary;
  window.addEventListener("resize", redraw);
  view.x = -beside() / 2 / unit();
  setUp();
  list();
  paint();
})();
