// A login in a window of its own: the last page tells the page that opened it, and no other.
import vm from 'node:vm';

import { Browser } from '../shared/browser.mjs';
import { check, finish, is } from '../shared/checks.mjs';

const { PUBLIC_URL } = process.env;
const { origin: own, pathname: mount } = new URL(PUBLIC_URL);
const listed = 'https://app.example.org';

// Where a login that was begun with this query ends: the page, or for a redirect to another page of the site, its address.
const logIn = async (query) => {
  const browser = new Browser(own, `${mount}/login/callback`);
  const landed = await browser.travel(`${PUBLIC_URL}/login?${new URLSearchParams(query)}`, 'jane');
  return landed instanceof URL && landed.pathname.endsWith('/login/done') ? browser.request(landed) : landed;
};

const openerOf = (page) => /<html[^>]* data-opener="([^"]*)"/.exec(page.text)?.[1];

// Runs the page's own script in a window that keeps a record of what is said to whom.
const saidBy = async (page) => {
  const said = [];
  const [, src] = /<script src="([^"]+)"/.exec(page.text);
  const script = await new Browser(own, '').request(new URL(src, PUBLIC_URL));
  const window = {
    opener: { postMessage: (message, to) => said.push({ to, ...message }) },
    location: { origin: own },
    close: () => said.push('closed'),
  };
  const documentElement = { getAttribute: (name) => (name === 'data-opener' ? openerOf(page) : null) };
  vm.runInNewContext(script.text, { window, document: { documentElement } });
  return said;
};

for (const [what, query, opener] of [
  ['a page of our own origin', { popup: '1' }, own],
  ['a listed page of another origin', { popup: '1', origin: listed }, listed],
]) {
  const page = await logIn(query);
  await check(`${what} that opened the login is named, to the letter`, () => is(openerOf(page), opener));
  await check(`${what} is told, nobody else is, and the window closes`, async () => {
    const expected = [{ to: opener, type: 'countersign:login', ok: true }, 'closed'];
    is(JSON.stringify(await saidBy(page)), JSON.stringify(expected));
  });
  await check(`${what} learns nothing but that it is done: no name, no token, in a page that nobody stores or frames`, () => {
    is(/jane|Zoë|eyJ/.test(page.text), false, 'a word of the visitor');
    is(page.headers['cache-control'], 'no-store');
    is(page.headers['content-security-policy'].includes("frame-ancestors 'none'"), true, 'frame-ancestors');
    is(page.headers['content-security-policy'].includes("script-src 'self'"), true, 'script-src');
    is(page.headers['referrer-policy'], 'no-referrer');
  });
}
for (const origin of [
  'https://evil.example',
  `${listed}.evil.example`,
  `${listed}@evil.example`,
  `${listed}:8443`,
  'http://app.example.org',
  `${listed}, https://evil.example`,
  '*',
  'null',
  '"><script>alert(1)</script>',
]) {
  await check(`a login that says it was opened by ${origin} tells nobody`, async () => {
    const landed = await logIn({ popup: '1', origin });
    is(landed instanceof URL, true, 'is on the site');
    is(landed.origin, own);
    is(landed.pathname.includes('/login'), false, 'the last page of a window');
  });
}
finish();
