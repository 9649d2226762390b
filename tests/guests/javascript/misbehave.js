// Does what a filter must not do: the Subject of the message says which. For the tests of the sandbox.

import { write } from 'mailweir:filter/log@0.1.0';

export const configuration = { configure() {} };

const acts = {
  trap() {
    throw new Error('as told');
  },
  spin() {
    for (;;);
  },
  memory() {
    for (const eaten = []; ; ) eaten.push(new Uint8Array(1 << 20).fill(1));
  },
  recurse() {
    const recurse = (n) => recurse(n + 1) + 1;
    recurse(0);
  },
  edits: () => removals(10_000_000),
  'some-edits': () => removals(20_000),
  range: () => [{ change: { tag: 'remove-field', val: 1_000_000 } }],
  inject() {
    const value = Uint8Array.from(' x\r\nBcc: everybody@example.com', (c) => c.charCodeAt(0));
    return [{ change: { tag: 'insert-field', val: [{ tag: 'top' }, { name: 'X-Evil', value }] } }];
  },
  log() {
    for (let i = 0; i < 100_000; i++) write('info', 'a line');
  },
  calls(message) {
    for (;;) message.size();
  },
};

function removals(count) {
  return Array.from({ length: count }, () => ({ change: { tag: 'remove-field', val: 0 } }));
}

export const message = {
  filter(message) {
    const [subject] = message.fields(['Subject']);
    const act = String.fromCharCode(...subject.value).trim();
    const edits = acts[act]?.(message) ?? [];
    return { verdict: { tag: 'next' }, edits };
  },
};
