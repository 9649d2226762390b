// Marks messages that come from outside: a text before the Subject, and a field of its own.

import { wanted } from 'mailweir:filter/explain@0.1.0';

// The stage's `config`. What `configure` leaves here is what every message finds.
let text = '[EXTERNAL]';
let domains = [];

export const configuration = {
  configure(config) {
    const mistakes = [];
    const isText = (value) => typeof value === 'string';
    for (const [path, value] of Object.entries(JSON.parse(config))) {
      if (path === 'text') {
        text = value;
        if (!isText(value) || !/^[ -~]+$/.test(value)) {
          mistakes.push({ path, message: 'it must be printable US-ASCII and not empty' });
        }
      } else if (path === 'domains') {
        domains = value;
        if (!Array.isArray(value) || !value.every(isText)) {
          mistakes.push({ path, message: 'this must be a list of strings' });
        }
      } else {
        mistakes.push({ path, message: 'unknown key; known: domains, text' });
      }
    }
    // What a function with a `result` throws is its error.
    if (mistakes.length > 0) throw mistakes;
  },
};

export const message = {
  filter(message) {
    const next = { tag: 'next' };
    if (message.client().trusted) {
      return { verdict: next, reason: because('the client is trusted'), edits: [] };
    }
    const sender = message.sender();
    if (sender.tag === 'address' && isOurs(sender.val.slice(sender.val.lastIndexOf('@') + 1))) {
      return { verdict: next, reason: because("the sender's domain is ours"), edits: [] };
    }
    const edits = [];
    const [subject] = message.fields(['Subject']);
    if (subject === undefined) {
      edits.push({ change: insert('Subject', text) });
    } else if (!contains(subject.value, octets(text))) {
      const value = [...octets(' ' + text), ...subject.value];
      edits.push({
        change: { tag: 'replace-field', val: [subject.index, new Uint8Array(value)] },
        reason: because('the message is external'),
      });
    }
    edits.push({ change: insert('X-External', 'yes') });
    return { verdict: next, edits };
  },
};

// Whether it is one of our domains or below one.
function isOurs(domain) {
  const below = '.' + domain.toLowerCase();
  return domains.some((own) => below.endsWith('.' + own.toLowerCase()));
}

function insert(name, value) {
  return { tag: 'insert-field', val: [{ tag: 'bottom' }, { name, value: octets(' ' + value) }] };
}

// Of printable US-ASCII, which is one octet a character.
function octets(text) {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

function contains(octets, part) {
  for (let start = 0; start + part.length <= octets.length; start++) {
    if (part.every((octet, i) => octets[start + i] === octet)) return true;
  }
  return false;
}

function because(reason) {
  return wanted() ? reason : undefined;
}
