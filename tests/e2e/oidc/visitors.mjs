// Visitors' browsers between countersign and the provider.
import { Browser as AnyBrowser } from '../shared/browser.mjs';
import { check, finish, is } from '../shared/checks.mjs';

const { PROVIDER, PUBLIC_URL } = process.env;
const { origin, pathname: mount } = new URL(PUBLIC_URL);

class Browser extends AnyBrowser {
  constructor() {
    super(origin, `${mount}/login/callback`);
  }

  page(path, method = 'GET') {
    const headers = { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' };
    return this.request(`${PUBLIC_URL}${path}`, { method, headers });
  }

  async loggedIn() {
    return JSON.parse((await this.page('/session')).text).logged_in;
  }
}

const logIn = async (name) => {
  const browser = new Browser();
  const landed = await browser.travel(`${PUBLIC_URL}/login?return_to=/help?topic=1`, name);
  return { browser, landed };
};

const jane = await logIn('jane');
await check('a visitor who logs in at the provider comes back to where they were', () => {
  is(jane.landed.href, `${origin}/help?topic=1`);
});
await check('and is who the provider says', async () => {
  const session = JSON.parse((await jane.browser.page('/session')).text);
  is(session.logged_in, true);
  is(session.name, 'Zoë 王 jane', 'the name comes from the userinfo endpoint');
});
await check('and gets a token', async () => is((await jane.browser.page('/token')).status, 200, 'status'));
await check('a browser that did not log in gets none', async () => is((await new Browser().page('/token')).status, 401, 'status'));
await check('the answer to one login counts in no other browser', async () => {
  const victim = new Browser();
  const begun = await new Browser().request(`${PUBLIC_URL}/login`);
  const state = new URL(begun.headers.location).searchParams.get('state');
  const answer = await victim.request(`${PUBLIC_URL}/login/callback?code=x&state=${state}&iss=${encodeURIComponent(PROVIDER)}`);
  is(answer.status, 400, 'status');
});
await check('a code that the provider never gave is refused', async () => {
  const browser = new Browser();
  const begun = await browser.request(`${PUBLIC_URL}/login`);
  const state = new URL(begun.headers.location).searchParams.get('state');
  const answer = await browser.request(`${PUBLIC_URL}/login/callback?code=x&state=${state}&iss=${encodeURIComponent(PROVIDER)}`);
  is(answer.status, 502, 'status');
  is(await browser.loggedIn(), false);
});
await check('ending the session at the provider ends it here, by the back channel', async () => {
  const { browser } = await logIn('otto');
  is(await browser.loggedIn(), true);
  await browser.travel(`${PROVIDER}/session/end`, 'otto');
  is(await browser.loggedIn(), false, 'logged in');
});
await check('and nobody else\'s', async () => is(await jane.browser.loggedIn(), true));
await check('logging out here ends the session at the provider, and comes back', async () => {
  const headers = { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'navigate' };
  const left = await jane.browser.request(`${PUBLIC_URL}/logout`, { method: 'POST', body: '', headers });
  is(left.status, 303, 'status');
  is(await jane.browser.loggedIn(), false, 'logged in');
  const back = await jane.browser.travel(left.headers.location, 'jane');
  is(back.href, `${PUBLIC_URL}/logout`);
  const again = await jane.browser.request(`${PUBLIC_URL}/login`);
  const asked = await jane.browser.request(again.headers.location);
  const form = await jane.browser.request(new URL(asked.headers.location, PROVIDER));
  is(form.text.includes('name="login"'), true, 'the provider asks who it is');
});
finish();
