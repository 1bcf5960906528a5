// A table of texts and numbers; numbers stand to the right.

// `rows` are lists of cells; a row may have `failed`. With no rows, `otherwise` is said instead.
export function table(caption, heads, rows, otherwise) {
  if (rows.length === 0) {
    const none = document.createElement("p");
    none.className = "hint";
    none.textContent = otherwise;
    return none;
  }
  const made = document.createElement("table");
  made.createCaption().textContent = caption;
  made.caption.className = "unseen";
  const numeric = heads.map((_, column) => rows.every((row) => typeof row[column] === "number"));
  const head = made.createTHead().insertRow();
  heads.forEach((text, column) => {
    const cell = document.createElement("th");
    cell.scope = "col";
    fill(head.appendChild(cell), text, numeric[column]);
  });
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    line.classList.toggle("failed", row.failed ?? false);
    row.forEach((value, column) => fill(line.insertCell(), value, numeric[column]));
  }
  const box = document.createElement("div");
  box.className = "wide";
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", caption);
  box.append(made);
  return box;
}

function fill(cell, value, numeric) {
  cell.textContent = typeof value === "number" ? value.toLocaleString() : value;
  cell.classList.toggle("number", numeric);
}
