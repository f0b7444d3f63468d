// The requests of all sessions, and which of them a filter shows.

/** Which answers a filter offers; the values are those of the journal. */
export const ANSWERED_BY = ["queue", "rule", "recording", "synthetic", "models", "stored", "fault", "error"];
export const OUTCOMES = ["pending", "held", "complete", "client_left", "dropped", "reset", "server_stopped"];
export const STATUSES = ["2xx", "4xx", "5xx", "none"];
/** The most requests that are kept; beyond that the older half is dropped. */
const MOST = 40_000;

/** The requests by session and number, in the order in which they arrived. */
export class Requests {
  rows = [];
  visible = [];
  #byKey = new Map();
  #accepts = () => true;

  /** The row of a request, or undefined. */
  find(session, number) {
    return this.#byKey.get(`${session}/${number}`);
  }

  /** Add a request, or replace what is known of it. */
  put(entry) {
    const key = `${entry.session}/${entry.number}`;
    const known = this.#byKey.get(key);
    if (!known) {
      const row = { held: false, ...entry, key };
      row.text = searchText(row);
      this.#byKey.set(key, row);
      if (this.rows.length >= MOST) this.#forgetOlder();
      this.rows.push(row);
      if (this.#accepts(row)) this.visible.push(row);
      return row;
    }
    const shown = this.#accepts(known);
    Object.assign(known, entry);
    if (entry.outcome && entry.outcome !== "pending") known.held = false;
    known.text = searchText(known);
    if (shown !== this.#accepts(known)) this.filter(this.#accepts);
    return known;
  }

  /** Show those that `accepts` is true of. */
  filter(accepts) {
    this.#accepts = accepts;
    this.visible = this.rows.filter(accepts);
  }

  /** Forget the requests of a session; without one, all. */
  clear(session = null) {
    this.rows = session === null ? [] : this.rows.filter((row) => row.session !== session);
    this.#byKey = new Map(this.rows.map((row) => [row.key, row]));
    this.filter(this.#accepts);
  }

  #forgetOlder() {
    for (const row of this.rows.splice(0, MOST / 2)) this.#byKey.delete(row.key);
    this.filter(this.#accepts);
  }

  /** Put the rows into the order in which they arrived. */
  sort() {
    this.rows.sort((a, b) => a.time - b.time || a.number - b.number);
    this.filter(this.#accepts);
  }
}

/** The predicate of these choices; an empty choice accepts everything. */
export function matcher({ session = "", wire = "", by = "", status = "", outcome = "", text = "" }) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return (row) =>
    (!session || row.session === session) &&
    (!wire || row.wire === wire) &&
    (!by || row.answered_by === by) &&
    (!status || (row.status ? `${String(row.status)[0]}xx` : "none") === status) &&
    (!outcome || shownOutcome(row) === outcome) &&
    words.every((word) => row.text.includes(word));
}

/** The outcome, or `held` while the stream waits for a step. */
export function shownOutcome(row) {
  return row.outcome === "pending" && row.held ? "held" : row.outcome;
}

function searchText(row) {
  const fields = [row.method, row.path, row.model, row.wire, row.source, row.note, row.preview, row.status];
  return [...fields, ...(row.faults ?? [])].filter(Boolean).join(" ").toLowerCase();
}
