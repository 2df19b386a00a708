// Values as a reader wants them; the same rules as the table form of `spanledger query`.

export const UNKNOWN = "–";
const TEXT_UNITS = new Set(["name", "time", "flag"]);

export const isNumber = (column) => !TEXT_UNITS.has(column.unit);

export function heading(column) {
  return column.name.replace(/^total_/, "").replace(/^p50_/, "median_").replace(/^p(\d+)_/, "$1th_percentile_").replace(/_usd$/, "").replaceAll("_", " ");
}

export function cell(column, value) {
  if (value === null || value === undefined) return UNKNOWN;
  if (column.unit === "USD") return money(value);
  if (column.unit === "share") return `${Math.round(value * 100)}%`;
  if (column.unit === "time") return value.replace("T", " ").slice(0, 19);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (column.unit === "ratio") return value.toLocaleString("en", { maximumFractionDigits: 1, minimumFractionDigits: 1 });
  if (typeof value === "number") return value.toLocaleString("en", { maximumFractionDigits: 1 });
  return value === "" ? UNKNOWN : value;
}

// Only shown, never added up: sums are the store's, in exact decimals.
export function money(text) {
  const amount = Number(text);
  const size = Math.abs(amount);
  const sign = amount < 0 ? "-" : "";
  if (size >= 1 || size === 0) {
    return `${sign}$${size.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  }
  if (size >= 0.01) return `${sign}$${size.toFixed(4)}`;
  return `${sign}$${size.toLocaleString("en", { minimumSignificantDigits: 2, maximumSignificantDigits: 2 })}`;
}

export const counted = (count, thing) => `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`;
export const brief = (count) => Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(count);
export const percent = (share) => share.toLocaleString("en", { style: "percent" });
