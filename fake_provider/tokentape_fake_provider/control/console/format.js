// Formats times, sizes and bytes for people.

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Milliseconds as a short text with its unit. */
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (Math.abs(ms) >= 60_000) return `${(ms / 60_000).toFixed(1)} min`;
  if (Math.abs(ms) >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return `${Math.abs(ms) >= 100 ? Math.round(ms) : ms.toFixed(1)} ms`;
}

/** A number of bytes as a short text with its unit. */
export function bytesText(count) {
  if (count < 1000) return `${count} B`;
  return count < 1_000_000 ? `${(count / 1000).toFixed(1)} kB` : `${(count / 1_000_000).toFixed(1)} MB`;
}

/** The time of day of a unix time in seconds. */
export function clockTime(seconds) {
  const date = new Date(seconds * 1000);
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0"));
  return `${parts.join(":")}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** A count and its noun, in the plural where needed. */
export function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** The bytes that a base64 text holds. */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** Bytes as text that shows their line ends; as hexadecimal where they are not UTF-8. */
export function visibleBytes(data) {
  try {
    const text = decoder.decode(data);
    if (!/[\u0000-\u0008\u000e-\u001f]/.test(text)) {
      return text.replaceAll("\r\n", "↤↵\n").replaceAll(/(?<!↵)\n/g, "↵\n").replaceAll("\r", "↤");
    }
  } catch { /* not UTF-8 */ }
  return hexDump(data);
}

function hexDump(data) {
  const lines = [];
  for (let at = 0; at < data.length; at += 16) {
    const row = [...data.subarray(at, at + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${hex.padEnd(47)}  ${text}`);
  }
  return lines.join("\n");
}

/** A value as JSON with indents; a string stays as it is. */
export function pretty(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** The value that a person wrote as JSON. Raises an error in words. */
export function readJson(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`the text is not JSON: ${error.message}\n→ correct it`);
  }
}
