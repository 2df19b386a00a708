// One call: every field of its row in the ledger, with what the field means.

import { ask, library } from "./api.js";
import { cell, heading } from "./format.js";
import { linkOf } from "./state.js";
import { changed, element, linked } from "./table.js";

const fields = document.getElementById("call-fields");

// Shows the call unless something else is looked at by then; returns its row, undefined where there is none.
export async function showCall({ task, call, at }, isLatest) {
  const rows = await ask("calls", at ? momentOf(at) : { task });
  const row = rows.find((candidate) => candidate.call_id === call);
  if (!isLatest() || !changed(fields, row ?? null)) return row;
  const told = row ? library.get("calls").columns.filter(({ name }) => row[name] !== null && row[name] !== "") : [];
  fields.replaceChildren(...told.map((column) => field(column, row)));
  document.getElementById("call-missing").hidden = Boolean(row);
  return row;
}

function field(column, row) {
  const href = column.name === "started_at" ? "" : linkOf(column.name, row);
  return element("div", { title: column.meaning },
    element("dt", { textContent: heading(column) }),
    element("dd", {}, linked(cell(column, row[column.name]), href)));
}

// The millisecond in which the call started: enough to find its row without reading the ledger.
function momentOf(at) {
  const milliseconds = Date.parse(`${at.slice(0, 23)}Z`);
  return { since: new Date(milliseconds).toISOString(), until: new Date(milliseconds + 1).toISOString() };
}
