// Refuses messages with attachments whose names a table lists.

import { Json } from "./json";
import { Key, Message, Mistakes, Outcome, isGranted, lookup, textAt } from "./mailweir";

export { cabi_realloc } from "./mailweir";

// Octets of one field, or of one line of the body, that are looked at.
const LONGEST_FIELD: i32 = 8192;
const LARGEST_PIECE: u32 = 65536;

// The stage's `config`. What `configure` leaves here is what every message finds.
let table = "";

export function configure(config: usize, length: usize): usize {
  const mistakes = new Mistakes();
  const json = new Json(textAt(config, length));
  let named = false;
  for (let key = json.key(); key != null; key = json.key()) {
    if (key != "table") {
      mistakes.add(key, "unknown key; known: table");
      continue;
    }
    named = true;
    const value = json.string();
    if (value == null) mistakes.add(key, "this must be the name of a table");
    else if (!isGranted(value)) mistakes.add(key, "there is no such table in [tables]");
    else table = value;
  }
  if (!named) mistakes.add("", "`table` is missing");
  return mistakes.lower();
}

export function filter(handle: i32): usize {
  const message = new Message(handle);
  const outcome = decide(message);
  message.drop();
  return outcome.lower();
}

function decide(message: Message): Outcome {
  const outcome = new Outcome();
  const names = namesOf(message);
  for (let i = 0; i < names.length; i++) {
    const text = lookup(table, keys(names[i]));
    if (text != null) {
      return outcome.reject(550, "5.7.1", names[i] + ": " + text).because("an attachment's name is listed");
    }
  }
  return outcome;
}

// The name as a whole, then its extension.
function keys(name: string): Key[] {
  const keys = [new Key(name, false)];
  const dot = name.lastIndexOf(".");
  if (dot >= 0) keys.push(new Key(name.slice(dot), true));
  return keys;
}

// The names of all attachments: of the message itself and of its parts, however deep they are.
function namesOf(message: Message): string[] {
  const scan = new Scan();
  const fields = message.fields(["Content-Disposition", "Content-Type"]);
  for (let i = 0; i < fields.length; i++) scan.takeField(fields[i].value);
  let offset: u64 = 0;
  for (let piece = message.readBody(0, LARGEST_PIECE); piece.length > 0; ) {
    scan.takeBody(piece);
    offset += piece.length;
    piece = message.readBody(offset, LARGEST_PIECE);
  }
  // The last line may have no end; then nothing follows, which ends the field that is open.
  scan.takeLine();
  scan.takeLine();
  return scan.names;
}

// Looks through a body that comes in pieces.
class Scan {
  names: string[] = [];
  // The line so far.
  private line: string = "";
  // The value so far of the field that the lines before began.
  private open: string | null = null;

  takeBody(piece: string): void {
    for (let start = 0; start < piece.length; ) {
      const end = piece.indexOf("\n", start);
      const part = piece.slice(start, end < 0 ? piece.length : end + 1);
      this.line += part.slice(0, LONGEST_FIELD - this.line.length);
      if (end >= 0) this.takeLine();
      start += part.length;
    }
  }

  // A line is the rest of an open field, or the beginning of one, or neither.
  takeLine(): void {
    const line = this.line;
    this.line = "";
    const open = this.open;
    if (open != null && (line.startsWith(" ") || line.startsWith("\t"))) {
      if (open.length + line.length <= LONGEST_FIELD) this.open = open + line;
      return;
    }
    if (open != null) this.takeField(open);
    this.open = null;
    const start = line.slice(0, 20).toLowerCase();
    if (start.startsWith("content-disposition:")) this.open = line.slice(20);
    if (start.startsWith("content-type:")) this.open = line.slice(13);
  }

  // A field is cut at its semicolons. Octets that are no printable US-ASCII become `?`.
  takeField(value: string): void {
    let parameter = "";
    let quoted = false;
    let escaped = false;
    for (let i = 0; i < value.length; i++) {
      const octet = value.charCodeAt(i);
      const c = value.charAt(i);
      if (octet == 13 || octet == 10) continue;
      if (c == "\\" && quoted && !escaped) {
        escaped = true;
        continue;
      }
      if (c == '"' && !escaped) {
        quoted = !quoted;
      } else if (c == ";" && !quoted) {
        this.takeParameter(parameter);
        parameter = "";
      } else {
        parameter += (octet >= 32 && octet <= 126) || octet == 9 ? c.toLowerCase() : "?";
      }
      escaped = false;
    }
    this.takeParameter(parameter);
  }

  // `filename=x` or `name=x` (RFC 2045 5.1, RFC 2183 2.3).
  private takeParameter(parameter: string): void {
    const equals = parameter.indexOf("=");
    if (equals < 0) return;
    const attribute = parameter.slice(0, equals).trim();
    if (attribute == "filename" || attribute == "name") this.names.push(parameter.slice(equals + 1).trim());
  }
}
