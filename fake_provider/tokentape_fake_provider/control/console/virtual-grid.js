// A table of many rows of one height, of which only those in view are in the document.

const SPARE_ROWS = 6;

/** `<virtual-grid>`: selects a row by pointer and keyboard; fires `choose` with the row's index. */
export class VirtualGrid extends HTMLElement {
  count = 0;
  selected = -1;
  #columns = [];
  #rowHeight = 26;
  #fill = () => {};
  #rows = [];
  #follow = false;
  #atEnd = true;
  #body = null;

  /** Set the columns (`[class, title, hint?]`) and `fill(cells, index, row)`, which writes a row's cells. */
  setup({ label, columns, fill, rowHeight = 26 }) {
    this.#columns = columns;
    this.#fill = fill;
    this.#rowHeight = rowHeight;
    this.#body = document.createElement("div");
    this.#body.className = "rows";
    this.#body.role = "rowgroup";
    const header = document.createElement("div");
    header.className = "row head";
    header.role = "row";
    header.ariaRowIndex = "1";
    for (const [name, title, hint] of columns) {
      const cell = document.createElement("div");
      cell.className = name;
      cell.role = "columnheader";
      cell.textContent = title;
      if (hint) cell.title = hint;
      header.append(cell);
    }
    const head = document.createElement("div");
    head.role = "rowgroup";
    head.className = "header";
    head.append(header);
    this.replaceChildren(head, this.#body);
    this.role = "grid";
    this.ariaLabel = label;
    this.tabIndex = 0;
    this.addEventListener("scroll", () => {
      this.#atEnd = this.scrollTop + this.clientHeight >= this.scrollHeight - 4;
      this.#draw();
    }, { passive: true });
    this.addEventListener("keydown", (event) => this.#key(event));
    this.#body.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (row) this.choose(row.index);
    });
    new ResizeObserver(() => this.#resized()).observe(this);
    return this;
  }

  /** Show `count` rows, and write again those in view; at the end of the list, stay at the end. */
  update(count, { selected = this.selected, follow = false } = {}) {
    if (count !== this.count) {
      this.#body.style.height = `${count * this.#rowHeight}px`;
      this.ariaRowCount = String(count + 1);
    }
    this.count = count;
    this.selected = selected;
    this.#follow = follow;
    if (follow && this.#atEnd) this.scrollTop = this.scrollHeight;
    this.#draw();
  }

  #resized() {
    if (this.#follow && this.#atEnd) this.scrollTop = this.scrollHeight;
    this.#draw();
  }

  /** Select a row, scroll to it, and fire `choose`. */
  choose(index) {
    if (index < 0 || index >= this.count) return;
    this.selected = index;
    this.reveal(index);
    this.#draw();
    this.dispatchEvent(new CustomEvent("choose", { detail: index }));
  }

  /** Scroll so that the row is in view. */
  reveal(index) {
    const head = this.firstElementChild.offsetHeight;
    const top = index * this.#rowHeight;
    const room = this.clientHeight - head - this.#rowHeight;
    if (top < this.scrollTop) this.scrollTop = top;
    else if (top > this.scrollTop + room) this.scrollTop = top - room;
    else return;
    this.#draw();  // before the next frame: the event of the scroll comes after it
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.clientHeight / this.#rowHeight) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey || !this.count) return;
    event.preventDefault();
    const from = this.selected < 0 && step > 0 ? -1 : this.selected;
    this.choose(Math.min(this.count - 1, Math.max(0, from + step)));
  }

  #draw() {
    const first = Math.max(0, Math.floor(this.scrollTop / this.#rowHeight) - SPARE_ROWS);
    const last = Math.min(this.count, Math.ceil((this.scrollTop + this.clientHeight) / this.#rowHeight) + SPARE_ROWS);
    while (this.#rows.length < last - first) this.#rows.push(this.#create());
    this.removeAttribute("aria-activedescendant");
    this.#rows.forEach((row, slot) => {
      row.hidden = first + slot >= last;
      if (!row.hidden) this.#write(row, first + slot);
    });
  }

  #create() {
    const row = document.createElement("div");
    row.id = `row-${VirtualGrid.#nextId++}`;
    row.role = "row";
    row.cells = this.#columns.map(([name]) => {
      const cell = document.createElement("div");
      cell.className = name;
      cell.role = "gridcell";
      return cell;
    });
    row.append(...row.cells);
    this.#body.append(row);
    return row;
  }

  #write(row, index) {
    const selected = index === this.selected;
    row.index = index;
    row.className = "row";
    row.style.transform = `translateY(${index * this.#rowHeight}px)`;
    row.ariaRowIndex = String(index + 2);
    row.ariaSelected = String(selected);
    if (selected) this.setAttribute("aria-activedescendant", row.id);
    this.#fill(row.cells, index, row);
  }

  static #nextId = 0;
}

customElements.define("virtual-grid", VirtualGrid);

/** Write a text into a cell, if it changed. */
export function setText(cell, text) {
  const shown = String(text ?? "");
  if (cell.textContent !== shown) cell.textContent = shown;
}
