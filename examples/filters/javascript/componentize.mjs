// node componentize.mjs TOOL WIT SCRIPT PLUGIN: make a plugin of a script.

import { readFile, writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [tool, wit, script, plugin] = process.argv.slice(2).map((path) => resolve(path));
const { componentize } = await import(pathToFileURL(`${tool}/src/componentize.js`));

// Behind the script: an exception that it does not catch becomes its answer, with the script's lines, so that the relay tells them.
const telling = `
{
  const tell = (error) => {
    const lines = error.stack.split('\\n').filter((line) => line.includes('@source.js:')).slice(0, -1);
    return [error, ...lines.map((line) => line.replace('source.js', '${basename(script)}'))].join(' < ');
  };
  const { configure } = configuration;
  const { filter } = message;
  configuration.configure = (config) => {
    try {
      return configure(config);
    } catch (error) {
      throw error instanceof Error ? [{ path: '', message: tell(error) }] : error;
    }
  };
  message.filter = (mail) => {
    try {
      return filter(mail);
    } catch (error) {
      throw error instanceof Error ? tell(error) : error;
    }
  };
}`;

const { component } = await componentize((await readFile(script, 'utf8')) + telling, {
  witPath: wit,
  worldName: 'message-filter',
  // Take 'clocks', 'random' or 'stdio' (for console.log) away from here to have them. 'http' no filter gets.
  disableFeatures: ['clocks', 'random', 'stdio', 'http', 'fetch-event'],
});
await writeFile(plugin, component);
