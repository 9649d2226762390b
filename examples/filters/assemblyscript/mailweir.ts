// The contract of wit/ in AssemblyScript, for filters for [[message]] and [[delivery]]. There is no generator for AssemblyScript,
// so the layout of values is written down here, as the canonical ABI of the component model has it: little-endian, each at a
// multiple of its alignment, which is 4 at most here. What is not here yet (new bodies, files, [[session]]) goes the same way.
//
// All octets of the contract are strings here, one character an octet: nothing is decoded, nothing is lost.

@external("mailweir:filter/mail@0.1.0", "[method]message.sender")
declare function messageSender(message: i32, answer: usize): void;
@external("mailweir:filter/mail@0.1.0", "[method]message.client")
declare function messageClient(message: i32, answer: usize): void;
@external("mailweir:filter/mail@0.1.0", "[method]message.fields")
declare function messageFields(message: i32, names: usize, count: i32, answer: usize): void;
@external("mailweir:filter/mail@0.1.0", "[method]message.read-body")
declare function messageReadBody(message: i32, offset: i64, length: i32, answer: usize): void;
@external("mailweir:filter/mail@0.1.0", "[resource-drop]message")
declare function messageDrop(message: i32): void;
@external("mailweir:filter/tables@0.1.0", "granted")
declare function tablesGranted(answer: usize): void;
@external("mailweir:filter/tables@0.1.0", "lookup")
declare function tablesLookup(tables: usize, tableCount: i32, keys: usize, keyCount: i32, answer: usize): void;
@external("mailweir:filter/explain@0.1.0", "wanted")
declare function explainWanted(): i32;
@external("mailweir:filter/log@0.1.0", "write")
declare function logWrite(level: i32, text: usize, length: usize): void;

// Where the relay puts what it answers.
const answer: usize = heap.alloc(64);

export class Field {
  constructor(
    public index: u32,
    public name: string,
    // All after the colon, without the last line end.
    public value: string,
  ) {}
}

// The message that the filter is asked about; to change it, answer with edits.
export class Message {
  constructor(private handle: i32) {}

  // The reverse-path; empty for the null sender.
  get sender(): string {
    messageSender(this.handle, answer);
    return load<u8>(answer) == 0 ? "" : getText(answer + 4);
  }

  // Whether the client is in `[networks] trusted`.
  get clientIsTrusted(): bool {
    messageClient(this.handle, answer);
    return load<u8>(answer + 60) != 0;
  }

  // The fields with one of these names, without regard to case; all fields if there are no names.
  fields(names: string[]): Field[] {
    const list = newBlock(8 * names.length);
    for (let i = 0; i < names.length; i++) putText(list + 8 * i, names[i]);
    messageFields(this.handle, list, names.length, answer);
    const fields: Field[] = [];
    const start = load<u32>(answer);
    for (let i: u32 = 0; i < load<u32>(answer + 4); i++) {
      const at = start + 20 * i;
      fields.push(new Field(load<u32>(at), getText(at + 4), getText(at + 12)));
    }
    return fields;
  }

  // Up to `length` octets of the body from `offset`; none past its end. One call gives 65,536 at most.
  readBody(offset: u64, length: u32): string {
    messageReadBody(this.handle, offset, length, answer);
    return getText(answer);
  }

  drop(): void {
    messageDrop(this.handle);
  }
}

// Something to look for in a table; `partial` says that it is only a part of that.
export class Key {
  constructor(
    public text: string,
    public partial: bool,
  ) {}
}

export function isGranted(table: string): bool {
  tablesGranted(answer);
  for (let i: u32 = 0; i < load<u32>(answer + 4); i++) {
    if (getText(load<u32>(answer) + 8 * i) == table) return true;
  }
  return false;
}

// The value of the first key that is in the table, or null. If nobody knows, the call fails, and the message is tried again later.
export function lookup(table: string, keys: Key[]): string | null {
  const tables = newBlock(8);
  putText(tables, table);
  const list = newBlock(12 * keys.length);
  for (let i = 0; i < keys.length; i++) {
    putText(list + 12 * i, keys[i].text);
    store<u8>(list + 12 * i + 8, keys[i].partial ? 1 : 0);
  }
  tablesLookup(tables, 1, list, keys.length, answer);
  if (load<u8>(answer)) throw new Error(getText(answer + 4));
  return load<u8>(answer + 4) ? getText(answer + 16) : null;
}

// A reason, if somebody wants to know.
export function because(reason: string): string {
  return explainWanted() ? reason : "";
}

class ConfigError {
  constructor(
    public path: string,
    public message: string,
  ) {}
}

// Mistakes in the stage's `config`; answers `configure`.
export class Mistakes {
  private list: ConfigError[] = [];

  add(path: string, message: string): void {
    this.list.push(new ConfigError(path, message));
  }

  lower(): usize {
    const items = newBlock(16 * this.list.length);
    for (let i = 0; i < this.list.length; i++) {
      putText(items + 16 * i, this.list[i].path);
      putText(items + 16 * i + 8, this.list[i].message);
    }
    const result = newBlock(12);
    store<u8>(result, this.list.length > 0 ? 1 : 0);
    putList(result + 4, items, this.list.length);
    return result;
  }
}

// The filter's answer; it begins as: go on.
export class Outcome {
  private result: usize = newBlock(52);
  private edits: usize = newBlock(40 * MOST_EDITS);
  private count: i32 = 0;

  because(reason: string): Outcome {
    putMaybe(this.result + 32, because(reason));
    return this;
  }

  // Refuse for good: a code of 500 to 559, an enhanced code such as 5.7.1, and one line of text.
  reject(code: u16, enhanced: string, text: string): Outcome {
    store<u8>(this.result + 4, 2);
    store<u16>(this.result + 8, code);
    putMaybe(this.result + 12, enhanced);
    putText(this.result + 24, text);
    return this;
  }

  // Put a field below all others; a blank is put before the value.
  appendField(name: string, value: string): void {
    const edit = this.edit(4);
    store<u8>(edit + 4, 1);
    putText(edit + 12, name);
    putText(edit + 20, " " + value);
  }

  // Replace the raw value of the field with this index.
  replaceField(index: u32, value: string, reason: string): void {
    const edit = this.edit(5);
    store<u32>(edit + 4, index);
    putText(edit + 8, value);
    putMaybe(edit + 28, reason);
  }

  lower(): usize {
    putList(this.result + 44, this.edits, this.count);
    return this.result;
  }

  private edit(change: u8): usize {
    if (this.count == MOST_EDITS) throw new Error("too many edits");
    const edit = this.edits + 40 * this.count++;
    store<u8>(edit, change);
    return edit;
  }
}

// As many as an answer has room for here.
const MOST_EDITS: i32 = 100;

// Memory of zeros; it has an address even if it is empty.
function newBlock(size: usize): usize {
  const block = heap.alloc(max<usize>(size, 1));
  memory.fill(block, 0, size);
  return block;
}

// The octets at this address, one character each.
export function textAt(address: usize, length: usize): string {
  const text = changetype<string>(__new(length << 1, idof<string>()));
  for (let i: usize = 0; i < length; i++) store<u16>(changetype<usize>(text) + (i << 1), load<u8>(address + i));
  return text;
}

function getText(at: usize): string {
  return textAt(load<u32>(at), load<u32>(at + 4));
}

function putText(at: usize, text: string): void {
  const octets = newBlock(text.length);
  for (let i = 0; i < text.length; i++) store<u8>(octets + i, <u8>text.charCodeAt(i));
  putList(at, octets, text.length);
}

function putList(at: usize, items: usize, count: i32): void {
  store<u32>(at, items);
  store<u32>(at + 4, count);
}

function putMaybe(at: usize, text: string): void {
  store<u8>(at, text.length > 0 ? 1 : 0);
  putText(at + 4, text);
}

// The relay puts what it passes here.
export function cabi_realloc(old: usize, oldLength: usize, alignment: usize, length: usize): usize {
  const block = newBlock(length);
  memory.copy(block, old, oldLength);
  return block;
}

// Where `throw` and failed assertions end: the log says why, and the call ends with a trap.
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const at = newBlock(8);
  putText(at, (message || "it failed") + " (" + (file || "?") + ":" + line.toString() + ":" + column.toString() + ")");
  logWrite(3, load<u32>(at), load<u32>(at + 4));
  unreachable();
}
