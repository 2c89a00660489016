const data = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
const runs = Object.keys(data.frames);
const kinds = runs.length > 1 ? [...runs, "difference"] : runs;

function put(parent, tag, text = "", name = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = name;
  parent.append(element);
  return element;
}

// What the map needs of a widget's model.
const model = {
  values: {
    rows: data.passes.map((number) => `pass ${number}`),
    columns: data.positions.map((p) => `position ${p} · ${data.words.base[p] ?? ""}`),
    row: data.passes.length - 1,
    column: 0,
    marks: [],
    close: false,
    exact: false,
    image: Uint8Array.from(atob(data.map.split(",")[1]), (letter) => letter.charCodeAt(0)),
  },
  listeners: {},
  get: (name) => model.values[name],
  on: (name, call) => (model.listeners[name] ??= new Set()).add(call),
  off: (name, call) => model.listeners[name]?.delete(call),
  set(name, value) {
    model.values[name] = value;
    for (const call of model.listeners[`change:${name}`] ?? []) call();
  },
  save_changes: () => show(),
};

function go(row, column) {
  const inside = (value, list) => Math.min(Math.max(value, 0), list.length - 1);
  model.set("row", inside(row, data.passes));
  model.set("column", inside(column, data.positions));
  show();
}

function show() {
  const number = data.passes[model.get("row")], position = data.positions[model.get("column")];
  const frame = data.frames.base[`${number}/${position}`];
  find("position").value = model.get("column");
  find("place").textContent = `${position} of ${data.positions.at(-1)}`;
  [...find("passes").children].forEach((button, row) => {
    button.setAttribute("aria-pressed", row === model.get("row"));
  });
  model.set("marks", frame ? marks(frame) : []);
  showPictures(position);
  showWords(frame, position);
  showNeighbours(frame, number, position);
  showFacts(frame);
}

function marks(frame) {
  const row = (n) => data.passes.indexOf(n), column = (p) => data.positions.indexOf(p);
  return frame.seen.map(([n, first, last]) => [row(n), column(first), column(last)]);
}

function showPictures(position) {
  const place = find("pictures");
  place.replaceChildren();
  const wide = data.passes.length > 3 ? 200 : 300;
  place.style.gridTemplateColumns = `repeat(${data.passes.length}, minmax(0, ${wide}px))`;
  for (const kind of kinds) {
    data.passes.forEach((number, row) => {
      const figure = put(place, "figure", "", row === model.get("row") ? "chosen" : "");
      const shot = put(figure, "div", "", `shot ${kind}`);
      const names = kind === "difference" ? runs : [kind];
      for (const name of names) addPicture(shot, name, number, position);
      put(figure, "figcaption", kinds.length > 1 ? `pass ${number} · ${kind}` : `pass ${number}`);
      figure.addEventListener("click", () => go(row, model.get("column")));
    });
  }
}

function addPicture(parent, run, number, position) {
  const frame = data.frames[run][`${number}/${position}`];
  if (!frame) return;
  const image = put(parent, "img");
  image.alt = `pass ${number}, position ${position}`;
  image.onload = () => {
    parent.style.setProperty("--shape", `${image.naturalWidth} / ${image.naturalHeight}`);
  };
  image.src = data.pictures[frame.picture];
}

function showWords(frame, position) {
  const place = find("words");
  place.replaceChildren();
  if (!frame) return;
  const [first, last] = frame.window;
  for (let p = Math.min(first, position) - data.margin; p <= last + data.margin; p++) {
    if (!(p in data.words.base)) continue;
    const role = p === position ? "centre" : p >= first && p <= last ? "inside" : "outside";
    const word = put(place, "bdi", data.words.base[p], role);
    word.title = `position ${p}`;
    place.append(" ");
    const other = data.words.changed?.[p];
    if (other === undefined || other === data.words.base[p]) continue;
    put(place, "span", "→ ");
    put(place, "bdi", other, "changed");
    place.append(" ");
  }
}

function showNeighbours(frame, number, position) {
  const place = find("strip");
  place.replaceChildren();
  if (!frame || number === data.passes[0]) {
    put(place, "div", "The first pass sees words alone.", "flopslab-note");
    return;
  }
  const most = Math.max(...frame.neighbours.map(([, weight]) => weight));
  for (const [p, weight] of frame.neighbours) {
    const cell = put(place, "figure", "", p === position ? "own" : "other");
    cell.title = `position ${p}`;
    const seen = data.frames.base[`${number - 1}/${p}`];
    const image = put(cell, seen ? "img" : "i");
    if (seen) image.src = data.pictures[seen.picture];
    put(cell, "b").style.height = `${(20 * weight) / most}px`;
    put(cell, "small", `${(100 * weight).toFixed(1)}%`);
    put(cell, "figcaption", p);
  }
}

function showFacts(frame) {
  const table = find("facts");
  table.replaceChildren();
  for (const [name, value] of Object.entries(frame?.facts ?? {})) {
    const line = put(table, "tr");
    put(line, "th", name);
    put(line, "td", value).dir = "auto";
  }
}

let playing = 0;
function play() {
  playing = playing ? clearInterval(playing) : setInterval(() => {
    go(model.get("row"), (model.get("column") + 1) % data.positions.length);
  }, 400);
  find("play").setAttribute("aria-pressed", Boolean(playing));
  find("play").textContent = playing ? "Pause" : "Play";
}

document.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  go(model.get("row") + step[0], model.get("column") + step[1]);
});

const count = Object.keys(data.frames.base).length;
find("about").textContent = `${count} frames: ${data.positions.length} positions, ${data.passes.length} passes`;
find("position").max = data.positions.length - 1;
find("position").addEventListener("input", (event) => go(model.get("row"), Number(event.target.value)));
find("play").addEventListener("click", play);
data.passes.forEach((number, row) => {
  put(find("passes"), "button", `pass ${number}`).addEventListener("click", () => go(row, model.get("column")));
});
render({ model, el: find("map") });
show();
