// Makes dist/, which is what the package holds, out of the same files that the service serves, by the same rule: leading
// spaces, empty lines and comment lines are left out. One thing differs. The served script finds its server by its own
// address; a bundle's address says nothing about it, so the package leaves that out and asks for `base`.

import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';

const here = new URL('./', import.meta.url);
const read = (name) => readFileSync(new URL(name, here), 'utf8');

export const lines = (text) => text.split('\n').map((line) => line.trimStart()).filter((line) => line && !line.startsWith('//'));

const source = lines(read('countersign.js')).map((line) => line.replace('import.meta.url', 'undefined'));
const names = source.at(-1);

export const asModule = `${source.join('\n')}\n`;

export const asClassic = [
  '(() => {"use strict";',
  ...source.slice(0, -1),
  names.replace('export {', 'globalThis.countersign = Object.freeze({').replace(/;$/, ');'),
  '})();\n',
].join('\n');

export function build(to = new URL('dist/', here)) {
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });
  const write = (name, text) => writeFileSync(new URL(name, to), text);
  write('countersign.js', asModule);
  write('countersign.classic.js', asClassic);
  for (const name of ['follow.js', 'react.js', 'vue.js']) write(name, `${lines(read(name)).join('\n')}\n`);
  mkdirSync(new URL('adapters/', to));
  for (const name of readdirSync(new URL('adapters/', here)).map((name) => `adapters/${name}`)) {
    write(name, name.endsWith('.js') ? `${lines(read(name)).join('\n')}\n` : read(name));
  }
  for (const name of ['countersign.d.ts', 'follow.d.ts', 'react.d.ts', 'vue.d.ts']) cpSync(new URL(name, here), new URL(name, to));
  for (const name of ['LICENSE-MIT', 'LICENSE-APACHE']) cpSync(new URL(`../../${name}`, here), new URL(name, to));
}

if (process.argv[1] === new URL(import.meta.url).pathname) build();
