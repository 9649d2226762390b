// Marks messages that come from outside: a text before the Subject, and a field of its own.

import { Json } from "./json";
import { Message, Mistakes, Outcome, because, textAt } from "./mailweir";

export { cabi_realloc } from "./mailweir";

// The stage's `config`. What `configure` leaves here is what every message finds.
let text = "[EXTERNAL]";
let domains: string[] = [];

export function configure(config: usize, length: usize): usize {
  const mistakes = new Mistakes();
  const json = new Json(textAt(config, length));
  for (let key = json.key(); key != null; key = json.key()) {
    if (key == "text") {
      const value = json.string();
      if (value == null || !isPrintable(value)) mistakes.add(key, "it must be printable US-ASCII and not empty");
      else text = value;
    } else if (key == "domains") {
      const values = json.strings();
      if (values == null) mistakes.add(key, "this must be a list of strings");
      else domains = values;
    } else {
      mistakes.add(key, "unknown key; known: domains, text");
    }
  }
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
  if (message.clientIsTrusted) return outcome.because("the client is trusted");
  const sender = message.sender;
  if (isOurs(sender.slice(sender.lastIndexOf("@") + 1))) return outcome.because("the sender's domain is ours");
  const subjects = message.fields(["Subject"]);
  if (subjects.length == 0) {
    outcome.appendField("Subject", text);
  } else if (!subjects[0].value.includes(text)) {
    const value = " " + text + subjects[0].value;
    outcome.replaceField(subjects[0].index, value, because("the message is external"));
  }
  outcome.appendField("X-External", "yes");
  return outcome;
}

function isPrintable(text: string): bool {
  for (let i = 0; i < text.length; i++) {
    const octet = text.charCodeAt(i);
    if (octet < 0x20 || octet > 0x7e) return false;
  }
  return text.length > 0;
}

// Whether it is one of our domains or below one.
function isOurs(domain: string): bool {
  const below = "." + domain.toLowerCase();
  for (let i = 0; i < domains.length; i++) {
    if (below.endsWith("." + domains[i].toLowerCase())) return true;
  }
  return false;
}
