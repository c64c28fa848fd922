// Starts the demo and a browser, and knows its pages.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before } from 'node:test';
import { pathToFileURL } from 'node:url';

const { NPM_HOME, BIN, COUNTERSIGN_BIN } = process.env;
const from = createRequire(NPM_HOME ? `${NPM_HOME}/` : import.meta.url);
const { chromium } = from('playwright-core');

// Not every test that comes this way has it.
const axe = () => from.resolve('axe-core/axe.min.js');

// A file of a package, whether or not the package exports it.
export const packaged = (file) => new URL(file, pathToFileURL(`${axe()}/../../`)).pathname;

// A script for a page of what `code` imports.
export async function bundle(code) {
  const stdin = { contents: code, resolveDir: packaged('') };
  const { outputFiles } = await from('esbuild').build({ stdin, bundle: true, format: 'iife', platform: 'browser', write: false });
  return outputFiles[0].text;
}

export const BINARY = BIN ?? COUNTERSIGN_BIN ?? new URL('../../../target/debug/countersign', import.meta.url).pathname;
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
// Without these a sandboxed machine sees a browser that looks for its maker's servers.
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

export const PASSWORDS = { maya: 'harbour-light', zoe: 'tall-ship' };

// The environment is emptied: the demo must not need anything of it.
export async function startDemo(...args) {
  const child = spawn(BINARY, ['demo', '--port', '0', ...args], { stdio: ['ignore', 'pipe', 'inherit'], env: {} });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text) => { said += text; });
  while (!said.includes('Ctrl-C')) {
    if (child.exitCode !== null) throw new Error(`the demo ended: ${said}`);
    await new Promise((done) => { setTimeout(done, 20); });
  }
  const address = (after) => said.match(new RegExp(`(http://\\S+?)/?\\s+${after}`))[1];
  return {
    said: () => said,
    clinic: said.match(/Open\s+(http:\/\/\S+?)\/\n/)[1],
    console: address('the console'),
    widgetServer: address('the stand-in'),
    foreign: address('a foreign'),
    async stop() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const [code] = await ended;
      return code;
    },
  };
}

export const startBrowser = ({ flags = [], ...options } = {}) =>
  chromium.launch({ executablePath: CHROMIUM, args: [...FLAGS, ...flags], ...options });

// One demo and one browser for a test file. Every test gets a fresh profile.
export function stage(...args) {
  const here = { violations: [] };
  before(async () => {
    here.demo = await startDemo(...args);
    here.browser = await startBrowser();
  });
  after(async () => {
    await here.browser?.close();
    await here.demo?.stop();
  });
  here.profile = (options) => profile(here, options);
  here.page = async (context, query = '') => {
    const page = await (context ?? await here.profile()).newPage();
    page.calls = [];
    await page.exposeBinding('reportCall', (_source, detail) => { page.calls.push(detail); });
    await page.addInitScript(() => {
      window.addEventListener('standin', ({ detail }) => {
        const { token, ...shown } = detail;
        window.reportCall({ ...shown, token: token ?? null });
      });
    });
    await page.goto(`${here.demo.clinic}/${query}`);
    return page;
  };
  return here;
}

// A fresh profile. Every violation of a policy, in any frame, is noted before anything of a page runs.
export async function profile(here, options) {
  const context = await here.browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  await context.exposeBinding('reportViolation', (_source, text) => { here.violations.push(text); });
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      window.reportViolation(`${event.violatedDirective} ${event.blockedURI} on ${document.URL}`);
    });
  });
  return context;
}

export async function signIn(page, who = 'maya') {
  await page.getByLabel('Name').fill(who);
  await page.getByLabel('Password').fill(PASSWORDS[who]);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('heading', { name: /Welcome/ }).waitFor();
}

export const handedOver = (page) => page.calls.filter(({ token }) => token);

// What axe finds once nothing fades or moves any more: a colour half way is nobody's.
export async function findings(page) {
  // Not as a script of the page, which its policy would be right to refuse.
  await page.evaluate(`${readFileSync(axe(), 'utf8')}; 0`);
  const violations = await page.evaluate(async () => {
    const ending = document.getAnimations().filter((animation) => animation.effect?.getComputedTiming().endTime !== Infinity);
    await Promise.allSettled(ending.map(({ finished }) => finished));
    return (await window.axe.run(document, { resultTypes: ['violations'] })).violations;
  });
  return violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`);
}

export const verdict = (page) => page.locator('#flow-verdict .state');

export const rest = (ms) => new Promise((done) => { setTimeout(done, ms); });

export async function until(what, holds, ms = 30_000) {
  const end = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`it did not happen in ${ms} ms: ${what}`);
    await new Promise((done) => { setTimeout(done, 50); });
  }
}

export const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

// Asks the chat widget something and waits for the reply.
export async function say(page, text) {
  const replies = page.locator('.lines .bot');
  const before = await replies.count();
  await page.getByRole('textbox', { name: 'Message' }).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
  await replies.nth(before).waitFor();
  return replies.nth(before).innerText();
}
