// node componentize.mjs TOOL WIT SCRIPT PLUGIN: make a plugin of a script.

import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [tool, wit, script, plugin] = process.argv.slice(2).map((path) => resolve(path));
const { componentize } = await import(pathToFileURL(`${tool}/src/componentize.js`));
const { component } = await componentize(await readFile(script, 'utf8'), {
  witPath: wit,
  worldName: 'message-filter',
  // Take 'clocks', 'random' or 'stdio' (for console.log) away from here to have them. 'http' no filter gets.
  disableFeatures: ['clocks', 'random', 'stdio', 'http', 'fetch-event'],
});
await writeFile(plugin, component);
