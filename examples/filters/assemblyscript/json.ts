// Reading the stage's `config`, which is a JSON object: of its values strings and lists of strings. The relay writes the JSON, so it is
// well-formed and has no blanks; only what a config may hold has to be told apart.

export class Json {
  private at: i32 = 1;

  constructor(private text: string) {}

  // The next key of the object, or null after the last. What was not read of the last value is passed over.
  key(): string | null {
    if (this.at > 1) this.passOver();
    this.take(",");
    const key = this.string();
    if (key != null) this.take(":");
    return key;
  }

  string(): string | null {
    if (!this.take('"')) return null;
    let value = "";
    while (this.at < this.text.length && !this.sees('"')) {
      let c = this.next();
      if (c == "\\") {
        c = this.next();
        const escape = "bfnrt".indexOf(c);
        if (c == "u") {
          // The relay escapes control characters only.
          c = String.fromCharCode(<i32>parseInt(this.text.substr(this.at, 4), 16));
          this.at += 4;
        } else if (escape >= 0) {
          c = "\b\f\n\r\t".charAt(escape);
        }
      }
      value += c;
    }
    this.take('"');
    return value;
  }

  // A list of strings, or null if it is anything else.
  strings(): string[] | null {
    if (!this.take("[")) return null;
    const values: string[] = [];
    while (!this.take("]")) {
      this.take(",");
      const value = this.string();
      if (value == null) return null;
      values.push(value);
    }
    return values;
  }

  // Up to the end of the value that begins or goes on here.
  private passOver(): void {
    let depth = 0;
    while (this.at < this.text.length) {
      if (depth == 0 && (this.sees(",") || this.sees("}"))) return;
      if (this.string() != null) continue;
      const c = this.next();
      if (c == "[" || c == "{") depth++;
      else if ((c == "]" || c == "}") && depth > 0) depth--;
    }
  }

  private sees(c: string): bool {
    return this.text.charAt(this.at) == c;
  }

  private take(c: string): bool {
    const found = this.sees(c);
    if (found) this.at++;
    return found;
  }

  private next(): string {
    return this.text.charAt(this.at++);
  }
}
