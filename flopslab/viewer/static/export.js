const data = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
const kinds = Object.keys(data.pictures); // base, and with a second run variant and difference

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
    rows: data.rows,
    columns: data.columns,
    row: data.passes.length - 1,
    column: 0,
    marks: [],
    zoomed: false,
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

// The texts are HTML that Python wrote, every word in it escaped.
function show() {
  const number = data.passes[model.get("row")], position = data.positions[model.get("column")];
  const frame = data.frames[`${number}/${position}`];
  find("position").value = model.get("column");
  find("place").textContent = `${position} of ${data.positions.at(-1)}`;
  [...find("passes").children].forEach((button, row) => {
    button.setAttribute("aria-pressed", row === model.get("row"));
  });
  model.set("marks", frame?.marks ?? []);
  find("words").innerHTML = data.words[position] ?? "";
  find("strip").innerHTML = frame?.strip ?? "";
  find("facts").innerHTML = frame?.facts ?? "";
  for (const cell of find("strip").querySelectorAll("figure")) {
    const image = picture("base", number - 1, cell.dataset.position);
    if (image) cell.firstChild.replaceWith(image);
  }
  showPictures(position);
}

function picture(kind, number, position) {
  const digest = data.pictures[kind][`${number}/${position}`];
  if (!digest) return null;
  const image = document.createElement("img");
  image.alt = `${kind}, pass ${number}, position ${position}`;
  image.src = data.files[digest];
  return image;
}

function showPictures(position) {
  const place = find("pictures");
  place.replaceChildren();
  const wide = kinds.length > 1 ? 150 : data.passes.length > 3 ? 200 : 300;
  place.style.gridTemplateColumns = `repeat(${data.passes.length}, minmax(0, ${wide}px))`;
  for (const kind of kinds) {
    data.passes.forEach((number, row) => {
      const figure = put(place, "figure", "", row === model.get("row") ? "current" : "");
      const shot = put(figure, "div", "", "shot");
      const image = picture(kind, number, position);
      if (image) shot.append(image);
      image?.addEventListener("load", () => {
        shot.style.setProperty("--shape", `${image.naturalWidth} / ${image.naturalHeight}`);
      });
      put(figure, "figcaption", kinds.length > 1 ? `pass ${number} · ${kind}` : `pass ${number}`);
      figure.addEventListener("click", () => go(row, model.get("column")));
    });
  }
}

let timer = 0;
function play() {
  timer = timer ? clearInterval(timer) : setInterval(() => {
    go(model.get("row"), (model.get("column") + 1) % data.positions.length);
  }, 400);
  find("play").setAttribute("aria-pressed", Boolean(timer));
  find("play").textContent = timer ? "Pause" : "Play";
}

document.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  go(model.get("row") + step[0], model.get("column") + step[1]);
});

find("position").max = data.positions.length - 1;
find("position").addEventListener("input", (event) => go(model.get("row"), Number(event.target.value)));
find("play").addEventListener("click", play);
data.passes.forEach((number, row) => {
  put(find("passes"), "button", `pass ${number}`).addEventListener("click", () => go(row, model.get("column")));
});
render({ model, el: find("map") });
show();
