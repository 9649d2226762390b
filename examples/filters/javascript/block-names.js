// Refuses messages with attachments whose names a table lists.

import { wanted } from 'mailweir:filter/explain@0.1.0';
import { granted, lookup } from 'mailweir:filter/tables@0.1.0';

// Octets of one field, or of one line of the body, that are looked at.
const LONGEST_FIELD = 8192;
const LARGEST_PIECE = 65536;
const FIELD = /^content-(?:disposition|type):/i;
const LINE_END = 10;

// The stage's `config`. What `configure` leaves here is what every message finds.
let table;

export const configuration = {
  configure(config) {
    const given = JSON.parse(config);
    const mistakes = Object.keys(given)
      .filter((path) => path !== 'table')
      .map((path) => ({ path, message: 'unknown key; known: table' }));
    if (!('table' in given)) {
      mistakes.push({ path: '', message: '`table` is missing' });
    } else if (typeof given.table !== 'string') {
      mistakes.push({ path: 'table', message: 'this must be the name of a table' });
    } else if (!granted().includes(given.table)) {
      mistakes.push({ path: 'table', message: 'there is no such table in [tables]' });
    }
    // What a function with a `result` throws is its error.
    if (mistakes.length > 0) throw mistakes;
    table = given.table;
  },
};

export const message = {
  filter(message) {
    for (const field of fields(message)) {
      for (const name of names(field)) {
        // An error of the table's passes through: the message is tried again later.
        const hit = lookup([table], keys(name));
        if (hit) {
          const reply = { code: 550, enhanced: '5.7.1', text: `${name}: ${hit.value}` };
          const reason = wanted() ? "an attachment's name is listed" : undefined;
          return { verdict: { tag: 'reject', val: reply }, reason, edits: [] };
        }
      }
    }
    return { verdict: { tag: 'next' }, edits: [] };
  },
};

// The name as a whole, then its extension.
function keys(name) {
  const dot = name.lastIndexOf('.');
  const whole = { text: name, partial: false };
  return dot < 0 ? [whole] : [whole, { text: name.slice(dot), partial: true }];
}

// The values of the fields that name attachments: of the message itself, then of its parts, however deep they are.
function* fields(message) {
  for (const field of message.fields(['Content-Disposition', 'Content-Type'])) yield printable(field.value);
  let value;
  for (const line of lines(message)) {
    if (value !== undefined && /^[ \t]/.test(line)) {
      if (value.length + line.length <= LONGEST_FIELD) value += line;
      continue;
    }
    if (value !== undefined) yield value;
    const name = FIELD.exec(line);
    value = name ? line.slice(name[0].length) : undefined;
  }
  if (value !== undefined) yield value;
}

// The lines of the body without their ends, each cut after LONGEST_FIELD octets.
function* lines(message) {
  let offset = 0n;
  let line = '';
  for (;;) {
    const piece = message.readBody(offset, LARGEST_PIECE);
    if (piece.length === 0) break;
    offset += BigInt(piece.length);
    let start = 0;
    for (let end; (end = piece.indexOf(LINE_END, start)) >= 0; start = end + 1) {
      yield append(line, piece.subarray(start, end));
      line = '';
    }
    line = append(line, piece.subarray(start));
  }
  yield line;
}

function append(line, octets) {
  return line + printable(octets.subarray(0, LONGEST_FIELD - line.length));
}

// As text without line ends; octets that are no printable US-ASCII become `?`.
function printable(octets) {
  let text = '';
  for (const octet of octets) {
    if (octet === 13 || octet === 10) continue;
    text += (octet >= 32 && octet <= 126) || octet === 9 ? String.fromCharCode(octet) : '?';
  }
  return text;
}

// The parameters `filename` and `name` of a field (RFC 2045 5.1, RFC 2183 2.3), in lower case.
function* names(field) {
  for (const parameter of parameters(field.toLowerCase())) {
    const equals = parameter.indexOf('=');
    const attribute = parameter.slice(0, Math.max(equals, 0)).trim();
    if (attribute === 'filename' || attribute === 'name') yield parameter.slice(equals + 1).trim();
  }
}

// What stands between the semicolons, without quotes.
function* parameters(value) {
  let parameter = '';
  let quoted = false;
  let escaped = false;
  for (const c of value) {
    if (c === '\\' && quoted && !escaped) {
      escaped = true;
      continue;
    }
    if (c === '"' && !escaped) {
      quoted = !quoted;
    } else if (c === ';' && !quoted) {
      yield parameter;
      parameter = '';
    } else {
      parameter += c;
    }
    escaped = false;
  }
  yield parameter;
}
