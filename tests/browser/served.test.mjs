import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import vm from 'node:vm';
import { gzipSync } from 'node:zlib';
import * as written from '../../src/browser/countersign.js';
import { Machine } from './page.mjs';

const read = (name) => readFileSync(new URL(`../../src/browser/${name}`, import.meta.url), 'utf8');
const SOURCE = read('countersign.js');

// The rule of the source's last comment, as the server applies it.
function lines(source) {
  return source.split('\n').map((line) => line.trimStart()).filter((line) => line && !line.startsWith('//'));
}

const asModule = (source) => `${lines(source).join('\n')}\n`;

function asClassic(source) {
  const body = lines(source);
  const [home, names] = body.splice(-2);
  return [
    '(() => {"use strict";',
    ...body,
    home.replace('import.meta.url', 'document.currentScript?.src'),
    names.replace('export {', 'globalThis.countersign = Object.freeze({').replace(/;$/, ');'),
    '})();\n',
  ].join('\n');
}

const importText = (text) => import(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`);

function runClassic(src) {
  const machine = new Machine();
  const page = Object.assign(machine.tab(), { URL, AbortController, Response, DOMException, currentScript: null });
  page.globalThis = page;
  page.document.currentScript = src === null ? null : { src };
  vm.runInNewContext(asClassic(SOURCE), page);
  return { machine, page };
}

test('each_served_variant_is_at_most_six_kilobytes', () => {
  for (const text of [asModule(SOURCE), asClassic(SOURCE)]) {
    const size = gzipSync(text, { level: 9 }).length;
    assert.ok(size <= 6 * 1024, `${size} bytes`);
  }
});

test('the_two_anchors_of_the_classic_variant_are_the_last_two_lines_and_occur_once', () => {
  const [home, names] = lines(SOURCE).slice(-2);
  assert.equal(home, 'const home = import.meta.url;');
  assert.match(names, /^export \{ [\w, ]+ \};$/);
  assert.equal(SOURCE.split('import.meta').length, 2);
  assert.equal(SOURCE.split('\nexport ').length, 2);
  assert.doesNotMatch(SOURCE, /^import |import\(/m);
});

// Leaving out lines and leading spaces is safe only while no string or template runs over a line's end.
test('no_string_runs_over_the_end_of_a_line', () => {
  for (const line of SOURCE.split('\n').filter((line) => !/^\s*\/\//.test(line))) {
    assert.equal((line.match(/`/g) ?? []).length % 2, 0, line);
    assert.doesNotMatch(line, /\\$|\/\*|\*\//, line);
  }
});

test('the_served_module_offers_what_the_source_offers', async () => {
  const served = await importText(asModule(SOURCE));
  assert.deepEqual(Object.keys(served).sort(), Object.keys(written).sort());
  const machine = new Machine();
  const source = served.createTokenSource({ base: 'https://clinic.example/identity', env: machine.tab() });
  const call = source.getToken();
  await machine.advance(50);
  assert.match(await call, /^header\./);
});

test('the_classic_script_offers_the_same_under_one_global', () => {
  const { page } = runClassic('https://clinic.example/identity/countersign.js');
  assert.deepEqual(Object.keys(page.countersign).sort(), Object.keys(written).sort());
  assert.ok(Object.isFrozen(page.countersign));
});

test('a_script_finds_its_server_by_its_own_address_plain_or_versioned', async () => {
  for (const file of ['countersign.js', 'countersign-3f9a1c.js', 'countersign.js?v=2']) {
    const { machine, page } = runClassic(`https://id.example/identity/${file}`);
    page.countersign.createTokenSource({ widget: 'support' }).getToken();
    await machine.advance(50);
    assert.equal(machine.requests[0].url, 'https://id.example/identity/token/support');
  }
});

test('a_script_that_cannot_tell_its_address_asks_for_the_base', () => {
  const { page } = runClassic(null);
  assert.throws(() => page.countersign.createTokenSource(), { code: 'misconfigured' });
  assert.ok(page.countersign.createTokenSource({ base: '/identity' }));
});

test('loading_the_script_does_nothing_by_itself', async () => {
  const { machine, page } = runClassic('https://clinic.example/identity/countersign.js');
  await machine.advance(60_000);
  assert.equal(machine.requests.length, 0);
  assert.equal(page.timers().length, 0);
});

test('nothing_in_it_needs_more_than_script_src_self_or_keeps_a_token_where_others_read', () => {
  const code = lines(SOURCE).join('\n');
  assert.doesNotMatch(code, /\beval\b|new Function|innerHTML|outerHTML|insertAdjacent|document\.write/);
  assert.doesNotMatch(code, /setAttribute|dataset|createElement\('(style|script)'\)|setTimeout\(['"`]/);
  assert.doesNotMatch(code, /localStorage|sessionStorage|indexedDB|document\.cookie|console\.(log|info|debug|error)/);
});

test('the_types_name_every_export_option_and_code', () => {
  const types = read('countersign.d.ts');
  for (const name of Object.keys(written)) {
    assert.match(types, new RegExp(`export (declare )?(function|class|const) ${name}\\b`));
  }
  const block = SOURCE.slice(SOURCE.indexOf('const EXPLAINED'), SOURCE.indexOf('};'));
  for (const [, code] of block.matchAll(/^ {2}(\w+):/gm)) assert.match(types, new RegExp(`'${code}'`), code);
  for (const name of Object.keys(written.adapters)) assert.match(types, new RegExp(`'${name}'`), name);
  const source = written.createTokenSource({ base: 'https://clinic.example', env: new Machine().tab() });
  for (const name of Object.keys(source)) assert.match(types, new RegExp(`\\b${name}\\b`), name);
});
