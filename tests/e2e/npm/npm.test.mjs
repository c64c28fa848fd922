// Every page that the package's documentation shows, made of its own text, with the package as its tarball installs it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Host } from './host.mjs';
import { claims, profile, startBrowser, until } from './stage.mjs';

const HERE = new URL('./', import.meta.url);
const PROJECT = new URL('project/', HERE);
const INSTALLED = new URL('node_modules/countersign-browser/', PROJECT);
const README = readFileSync(new URL('README.md', INSTALLED), 'utf8');
// Blocks that name a file.
const BLOCKS = Object.fromEntries([...README.matchAll(/^```\w+ ([\w.]+)\n(.*?)^```$/gms)].map(([, name, text]) => [name, text]));

const read = (name) => readFileSync(new URL(name, INSTALLED), 'utf8');
const at = (path) => new URL(path, HERE).pathname;
const here = { violations: [] };
let host;

const TYPES = { js: 'text/javascript', css: 'text/css', html: 'text/html' };
const file = (url) => ({ type: TYPES[url.pathname.split('.').at(-1)], text: readFileSync(url, 'utf8') });

// What a site has under its roots: the built project, and the package's files as they were installed.
function files(path) {
  const from = path.startsWith('/vendor/countersign-browser/')
    ? new URL(path.slice('/vendor/countersign-browser/'.length), INSTALLED)
    : new URL(`dist${path}`, PROJECT);
  return statSync(from, { throwIfNoEntry: false })?.isFile() ? file(from) : null;
}

const inline = (page) => [...page.matchAll(/<script(?: type="\w+")?>(.*?)<\/script>/gs)]
  .map(([, text]) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`).join(' ');
const POLICY = (page) => `default-src 'none'; script-src 'self' ${inline(page)}; connect-src 'self'; base-uri 'none'; form-action 'self'`;

before(async () => {
  for (const [name, text] of Object.entries(BLOCKS)) {
    if (!name.endsWith('.html')) writeFileSync(new URL(name, PROJECT), text);
  }
  const entries = { main: 'main.ts', agent: 'agent.ts', calls: 'page.ts', react: 'react.tsx', vue: 'vue.ts' };
  for (const [name, entry] of Object.entries(entries)) {
    const body = `<div id="app"></div><div id="chat"></div><script type="module" src="/${entry}"></script>`;
    writeFileSync(new URL(`${name}.html`, PROJECT), `<!doctype html><title>${name}</title>${body}`);
  }
  execFileSync(at('node_modules/.bin/vite'), ['build', '--logLevel', 'warn'], { cwd: at('project'), stdio: 'inherit' });
  here.browser = await startBrowser();
  const pages = Object.fromEntries(Object.entries(BLOCKS).filter(([name]) => name.endsWith('.html')).map(([name, text]) => [`/${name}`, text]));
  for (const path of ['/empty', '/site-logout']) pages[path] = '<!doctype html><title>A page of the site</title>';
  host = await Host.start({}, { pages, files, policy: POLICY, mount: '/chat-identity' });
});
after(async () => {
  await here.browser?.close();
  host?.stop();
});

// A page that stays open goes on asking.
afterEach(async () => {
  for (const context of here.browser.contexts()) await context.close();
});

// A page whose visitor is logged in, with a stand-in for MedChat's script that notes its calls.
async function open(path, { login = true } = {}) {
  const page = await (await profile(here)).newPage();
  page.said = [];
  page.on('console', (message) => page.said.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => page.said.push(`error: ${error.message}`));
  await page.addInitScript(() => {
    window.calls_heard = [];
    window.medchatapp = {
      registerJWT: (token) => window.calls_heard.push(token),
      unVerifyUser: () => window.calls_heard.push('unverify'),
    };
  });
  if (login) {
    await page.goto(`${host.origin}/empty`);
    await page.evaluate(() => fetch('/in'));
  }
  await page.goto(`${host.origin}${path}`);
  return page;
}

const heard = (page) => page.evaluate(() => window.calls_heard);

async function verified(page) {
  await until(`a token arrives; ${page.said}`, async () => (await heard(page)).some((call) => call !== 'unverify'));
  assert.equal(claims((await heard(page)).find((call) => call !== 'unverify')).external_id, 'P1');
}

test('the_package_holds_what_it_promises_and_nothing_else', () => {
  const names = readdirSync(new URL('dist/', INSTALLED)).sort();
  assert.deepEqual(names, [
    'LICENSE-APACHE', 'LICENSE-MIT', 'adapters', 'countersign.classic.js', 'countersign.d.ts', 'countersign.js', 'follow.d.ts', 'follow.js',
    'react.d.ts', 'react.js', 'vue.d.ts', 'vue.js',
  ]);
  const manifest = JSON.parse(read('package.json'));
  assert.deepEqual([manifest.sideEffects, manifest.dependencies], [false, undefined]);
  assert.doesNotMatch(read('dist/countersign.js'), /\bimport\b|\breact\b|\bvue\b/i, 'the core stands alone');
});

test('the_core_is_at_most_six_kilobytes_and_less_where_it_is_bundled', () => {
  for (const name of ['countersign.js', 'countersign.classic.js']) {
    const size = gzipSync(read(`dist/${name}`), { level: 9 }).length;
    assert.ok(size <= 6 * 1024, `${name}: ${size} bytes`);
  }
  const sizes = readdirSync(new URL('dist/assets/', PROJECT)).filter((name) => name.endsWith('.js'))
    .map((name) => readFileSync(new URL(`dist/assets/${name}`, PROJECT), 'utf8'))
    .filter((text) => text.includes('CountersignError')).map((text) => gzipSync(text).length);
  assert.equal(sizes.length, 1, 'the core is in the build once');
  assert.ok(sizes[0] <= 5_500, `${sizes[0]} bytes`);
});

// One source: what differs is only that the package does not ask a bundle for its address.
test('the_package_and_the_service_hold_the_same_script', async () => {
  for (const name of ['countersign.js', 'countersign.classic.js']) {
    const served = (await (await fetch(`${host.origin}/chat-identity/${name}`)).text()).split('\n');
    const packed = read(`dist/${name}`).split('\n');
    const differing = served.filter((line, place) => line !== packed[place]);
    assert.deepEqual(differing.map((line) => line.slice(0, 13)), ['const home = '], name);
    assert.equal(served.length, packed.length);
  }
  assert.equal(await (await fetch(`${host.origin}/chat-identity/countersign.d.ts`)).text(), read('dist/countersign.d.ts'));
});

test('a_strict_typescript_project_compiles_with_its_types', () => {
  execFileSync(at('node_modules/.bin/tsc'), ['-p', '.'], { cwd: at('project'), stdio: ['ignore', 'inherit', 'inherit'] });
});

test('a_page_built_with_vite_and_typescript_hands_its_token_over', async () => verified(await open('/main.html')));

test('a_plain_page_with_an_import_map_hands_its_token_over', async () => verified(await open('/importmap.html')));

test('a_page_with_a_classic_script_hands_its_token_over', async () => verified(await open('/classic.html')));

test('a_bundle_without_a_base_says_so_at_once', async () => {
  const page = await open('/empty');
  const code = await page.evaluate(async () => {
    const { createTokenSource } = await import('/vendor/countersign-browser/dist/countersign.js');
    try {
      return createTokenSource();
    } catch (error) {
      return `${error.code}: ${error.message}`;
    }
  });
  assert.match(code, /^misconfigured: .*base/);
});

test('the_calls_of_the_documentation_do_what_it_says', async () => {
  const page = await open('/calls.html');
  await until('a token', () => page.evaluate(() => window.calls.heard.includes('token')));
  const told = await page.evaluate(async () => {
    const { calls } = window;
    const sent = await calls.authorised('/in');
    return { sent: sent.status, same: await calls.sdk.fetchToken('ignored') === await calls.source.getToken(), expires: calls.expires() };
  });
  assert.deepEqual({ ...told, expires: told.expires > 0 }, { sent: 204, same: true, expires: true });
});

test('login_where_there_is_none_opens_no_window_and_says_why', async () => {
  const page = await open('/calls.html', { login: false });
  const opened = [];
  page.context().on('page', (other) => opened.push(other.url()));
  const button = page.getByRole('button', { name: 'Log in' });
  await button.click();
  await until('told', async () => /no login/i.test(await button.getAttribute('title') ?? ''));
  assert.deepEqual(opened, []);
});

test('nobody_logged_in_is_explained_in_the_console_of_a_page_that_listens_to_nothing', async () => {
  const page = await open('/main.html', { login: false });
  await until('explained', () => page.said.some((line) => line === 'warning: countersign: Nobody is logged in (401)'));
  assert.equal(page.said.filter((line) => line.startsWith('warning')).length, 1, page.said.join('\n'));
});

test('the_logout_button_of_the_documentation_takes_the_token_from_every_tab_and_goes_on', async () => {
  const page = await open('/logout.html');
  await verified(page);
  const other = await page.context().newPage();
  await other.goto(`${host.origin}/main.html`);
  await other.waitForFunction(() => document.title === 'main');
  const told = host.asked.filter((asking) => asking === '/logout').length;
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.waitForURL('**/site-logout');
  await until('the service was told', () => host.asked.filter((asking) => asking === '/logout').length > told);
  assert.deepEqual(page.said.filter((line) => line.startsWith('error')), [], 'no red line');
});

for (const [name, path] of [['react_in_strict_mode', '/react.html'], ['vue', '/vue.html']]) {
  test(`${name}_shows_hands_over_and_takes_back`, async () => {
    const page = await open(path);
    await verified(page);
    assert.equal(await page.locator('output').innerText(), 'ready');
    const asked = host.asked.filter((asking) => asking.startsWith('/token')).length;
    await page.getByRole('button', { name: 'Log out' }).click();
    await until('shown', async () => (await page.locator('output').innerText()) === 'logged_out');
    assert.equal((await heard(page)).at(-1), 'unverify');
    await page.waitForTimeout(300);
    assert.equal(host.asked.filter((asking) => asking.startsWith('/token')).length, asked, 'it does not ask again');
    assert.deepEqual(page.said.filter((line) => /warning|error/.test(line)), []);
  });

  test(`${name}_says_who_is_not_logged_in_and_stops_when_it_is_unmounted`, async () => {
    const page = await open(path, { login: false });
    await until('shown', async () => (await page.locator('output').innerText()) === 'logged_out');
    assert.match(await page.locator('p').innerText(), /Nobody is logged in/);
    await page.evaluate(() => fetch('/in'));
    await page.evaluate(() => window.unmount());
    const asked = host.asked.length;
    await page.evaluate(() => window.dispatchEvent(new Event('online')));
    await page.waitForTimeout(300);
    assert.equal(host.asked.length, asked, 'nothing runs any more');
  });
}

test('the_hash_that_the_documentation_makes_is_the_files', () => {
  const [command] = README.match(/^openssl .*$/m);
  const made = execFileSync('bash', ['-c', command], { cwd: at('project'), encoding: 'utf8' }).trim();
  assert.equal(made, createHash('sha384').update(read('dist/countersign.classic.js')).digest('base64'));
});

test('no_policy_was_violated', () => assert.deepEqual(here.violations, []));
