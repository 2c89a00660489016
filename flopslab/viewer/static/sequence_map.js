// The map of a run: one picture, a row for each pass, a column for each position, to click into.

const ZOOMED = 44; // CSS pixels of a cell when zoomed in
const TALLEST = 44, LOWEST = 24; // of a row in the whole view

function make(parent, tag, name) {
  const element = document.createElement(tag);
  element.className = `flopslab-map-${name}`;
  parent.append(element);
  return element;
}

function render({ model, el }) {
  el.classList.add("flopslab-map");
  const body = make(el, "div", "body");
  const labels = make(body, "div", "labels");
  const scroller = make(body, "div", "scroller");
  const sheet = make(scroller, "div", "sheet");
  const picture = make(sheet, "img", "picture");
  const marks = make(sheet, "div", "marks");
  const cursor = make(sheet, "div", "cursor");
  const caption = make(el, "div", "caption");
  scroller.tabIndex = 0;
  scroller.setAttribute("role", "application");
  scroller.setAttribute("aria-label", "Map of the run: arrow keys move the position and the pass");
  picture.alt = "";
  picture.draggable = false;
  let address = null;

  const columns = () => Math.max(1, model.get("columns").length);
  const rows = () => model.get("rows").length;

  function load() {
    const old = address;
    const bytes = model.get("image");
    address = URL.createObjectURL(new Blob([bytes.buffer ? bytes : new Uint8Array()]));
    picture.src = address;
    picture.classList.toggle("exact", model.get("exact"));
    if (old) URL.revokeObjectURL(old);
  }

  function cell() {
    const whole = scroller.clientWidth / columns();
    if (model.get("zoomed")) return [ZOOMED, ZOOMED];
    return [Math.min(whole, TALLEST), Math.min(Math.max(whole, LOWEST), TALLEST)];
  }

  function lay(box, [width, height], row, first, last) {
    box.style.left = `${first * width}px`;
    box.style.top = `${row * height}px`;
    box.style.width = `${(last - first + 1) * width}px`;
    box.style.height = `${height}px`;
  }

  function draw() {
    const size = cell();
    sheet.style.width = `${size[0] * columns()}px`;
    sheet.style.height = `${size[1] * rows()}px`;
    labels.replaceChildren();
    for (const name of model.get("rows")) {
      const label = make(labels, "div", "label");
      label.textContent = name;
      label.style.height = `${size[1]}px`;
    }
    marks.replaceChildren();
    for (const [row, first, last] of model.get("marks")) {
      lay(make(marks, "div", "mark"), size, row, first, last);
    }
    lay(cursor, size, model.get("row"), model.get("column"), model.get("column"));
    follow(size[0]);
    say(model.get("row"), model.get("column"));
  }

  function follow(width) {
    const left = model.get("column") * width;
    const { scrollLeft, clientWidth } = scroller;
    if (left < scrollLeft || left + width > scrollLeft + clientWidth) {
      scroller.scrollLeft = left - clientWidth / 2;
    }
  }

  function say(row, column) {
    const names = [model.get("rows")[row], model.get("columns")[column]];
    caption.textContent = names.filter(Boolean).join(" · ");
  }

  function choose(row, column) {
    model.set("row", Math.min(Math.max(row, 0), rows() - 1));
    model.set("column", Math.min(Math.max(column, 0), columns() - 1));
    model.save_changes();
  }

  function under(event) {
    const box = sheet.getBoundingClientRect();
    const row = Math.floor(((event.clientY - box.top) / box.height) * rows());
    const column = Math.floor(((event.clientX - box.left) / box.width) * columns());
    return [Math.min(Math.max(row, 0), rows() - 1), Math.min(Math.max(column, 0), columns() - 1)];
  }

  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  scroller.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    choose(model.get("row") + step[0], model.get("column") + step[1]);
  });
  sheet.addEventListener("click", (event) => choose(...under(event)));
  sheet.addEventListener("mousemove", (event) => say(...under(event)));
  sheet.addEventListener("mouseleave", () => say(model.get("row"), model.get("column")));

  const watched = ["rows", "columns", "row", "column", "marks", "zoomed"].map((n) => `change:${n}`);
  const watcher = new ResizeObserver(draw);
  watcher.observe(scroller);
  model.on("change:image", load);
  for (const name of watched) model.on(name, draw);
  load();
  draw();
  return () => {
    watcher.disconnect();
    model.off("change:image", load);
    for (const name of watched) model.off(name, draw);
    URL.revokeObjectURL(address);
  };
}

export default { render };
