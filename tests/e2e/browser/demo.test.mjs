import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claims, handedOver, say, signIn, stage, startDemo, until, verdict } from './stage.mjs';

const here = stage();

const verified = (page, name) => until(`${name} is verified`, async () => (await verdict(page).innerText()) === `believes: ${name}`);

test('a_visitor_who_is_not_signed_in_gets_no_token_and_an_anonymous_chat', async () => {
  const page = await here.page();
  assert.match(await say(page, 'When is my appointment?'), /sign in/i);
  assert.equal(handedOver(page).length, 0);
  const status = await page.evaluate(async () => (await fetch('/chat-identity/token')).status);
  assert.equal(status, 401);
});

test('a_visitor_who_signs_in_is_known_to_the_chat_by_name', async () => {
  const page = await here.page();
  await signIn(page);
  await verified(page, 'Maya Lindgren');
  assert.match(await say(page, 'When is my appointment?'), /Maya.*Tuesday at 10:40/);
  const [{ call, token }] = handedOver(page);
  assert.equal(call, 'medchatapp.registerJWT');
  assert.equal(claims(token).external_id, 'P20417');
});

test('a_name_that_is_not_ascii_arrives_whole', async () => {
  const page = await here.page();
  await signIn(page, 'zoe');
  await verified(page, 'Zoë Okafor');
  assert.match(await say(page, 'Who am I?'), /Zoë Okafor, patient P31188/);
});

test('the_vendor_is_called_once_for_one_token', async () => {
  const page = await here.page();
  await signIn(page);
  await verified(page, 'Maya Lindgren');
  await page.waitForTimeout(1500);
  assert.equal(handedOver(page).length, 1);
});

test('a_wrong_password_signs_nobody_in', async () => {
  const page = await here.page();
  await page.getByLabel('Name').fill('maya');
  await page.getByLabel('Password').fill('tall-ship');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('alert').waitFor();
  assert.equal(handedOver(page).length, 0);
});

test('the_vendors_own_medchat_snippet_works_unmodified', async () => {
  const page = await here.page(null, '?widget=medchat&with=snippet');
  const text = await page.evaluate(async () => (await fetch('/demo/snippet/medchat.js')).text());
  assert.match(text, /^fetch\('\/chat-identity\/token\/medchat'\)\n.*response\.json\(\).*\n.*medchatapp\.registerJWT\(resp\.token\)/);
  await signIn(page);
  await verified(page, 'Maya Lindgren');
  assert.deepEqual(handedOver(page).map(({ call }) => call), ['medchatapp.registerJWT']);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await until('the vendor was told', () => page.calls.some(({ call }) => call === 'medchatapp.unVerifyUser'));
  assert.match(await say(page, 'Who am I?'), /only with somebody I know/);
});

test('the_userinfo_widget_reads_its_token_from_the_pages_configuration', async () => {
  for (const way of ['module', 'snippet']) {
    const page = await here.page(null, `?widget=userinfo&with=${way}`);
    await signIn(page);
    await verified(page, 'Maya Lindgren');
    const { iss, aud, sub, exp, iat } = claims(handedOver(page)[0].token);
    assert.deepEqual({ iss, aud, sub }, { iss: `${here.demo.clinic}/chat-identity`, aud: here.demo.widgetServer, sub: 'P20417' });
    assert.ok(exp - iat <= 65);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await until('the vendor noticed', () => page.calls.some(({ call }) => call === 'delete chatWidgetConfig.userinfo'));
  }
});

test('the_page_switches_between_widgets_without_loading_again', async () => {
  const page = await here.page();
  await signIn(page);
  await verified(page, 'Maya Lindgren');
  await page.evaluate(() => { window.sameDocument = true; });
  await page.getByRole('radio', { name: 'userinfo' }).check();
  await until('the other widget was fed', () => handedOver(page).some(({ widget }) => widget === 'userinfo'));
  await verified(page, 'Maya Lindgren');
  assert.ok(await page.evaluate(() => window.sameDocument));
  await page.reload();
  assert.ok(await page.getByRole('radio', { name: 'userinfo' }).isChecked());
});

test('a_logout_in_one_tab_ends_the_other', async () => {
  const profile = await here.profile();
  const one = await here.page(profile);
  await signIn(one);
  const two = await here.page(profile);
  await verified(two, 'Maya Lindgren');
  await one.getByRole('button', { name: 'Sign out' }).click();
  await two.getByText('Signed out in another tab').waitFor();
  await until('the vendor was told in both', () => [one, two].every((tab) => tab.calls.some(({ call }) => call === 'medchatapp.unVerifyUser')));
  await until('the session is over', async () => (await two.evaluate(async () => (await fetch('/chat-identity/token')).status)) === 401);
});

test('a_session_that_ends_at_the_host_stops_the_renewal', async () => {
  const page = await here.page(null, '?widget=userinfo');
  await signIn(page);
  await verified(page, 'Maya Lindgren');
  // Behind the page's back, as another device or an administrator would.
  await page.evaluate(() => fetch('/logout', { method: 'POST', redirect: 'manual' }));
  await page.getByText('The session has ended.').waitFor({ timeout: 90_000 });
  assert.match(await say(page, 'Who am I?'), /only with somebody I know/);
});

test('every_attack_is_refused_and_says_why', async () => {
  for (const widget of ['medchat', 'userinfo', 'healthcare-agent']) {
    const page = await here.page(null, `?widget=${widget}`);
    const agent = widget === 'healthcare-agent';
    await signIn(page);
    await verified(page, 'Maya Lindgren');
    const tried = {};
    for (const [id, button, expected] of [
      ['forged', 'Forge one', agent ? 4 : 3], ['stolen', 'Steal it', 2], ['plain', 'Ask without https', 2], ['foreign', 'Open the foreign page', 4],
    ]) {
      await page.getByRole('button', { name: button }).click();
      const results = page.locator(`#try-${id} .results li`);
      await results.nth(expected - 1).waitFor();
      tried[id] = await results.evaluateAll((items) => items.map((item) => [item.dataset.verdict, item.querySelector('.why').textContent]));
      assert.equal(tried[id].length, expected, id);
    }
    // A format without a token id cannot tell a copy from the original while it lives: shown, and explained.
    const [copy, again] = tried.stolen.map((told) => told.join());
    assert.match(copy, {
      medchat: /accepted.*no token id/,
      userinfo: /refused,it has been used before/,
      'healthcare-agent': /refused.*another visitor's/,
    }[widget]);
    assert.match(again, agent ? /accepted.*bound to the same one/ : /refused,it expired/);
    for (const id of ['forged', 'plain', 'foreign']) assert.ok(tried[id].every(([verdict]) => verdict === 'refused'), `${id}: ${tried[id]}`);
    assert.match(tried.forged[0][1], /signature does not match|not genuine/);
    assert.match(tried.plain[0][1], /403 origin_refused/);
    assert.match(tried.plain[1][1], /UPSTREAM_SESSION_URL: is plain HTTP/);
    assert.match(tried.foreign.map(([, why]) => why).join(), /another site.*own script.*own script.*Turned a page of http:\/\/localhost/);
    // None of it has harmed the visitor.
    await verified(page, 'Maya Lindgren');
    if (!agent) assert.match(await say(page, 'Who am I?'), /Maya Lindgren/);
  }
});

test('the_live_view_shows_what_the_servers_recorded', async () => {
  const page = await here.page();
  await signIn(page, 'zoe');
  await verified(page, 'Zoë Okafor');
  const log = page.getByRole('log', { name: 'What happens' });
  for (const line of ['Zoë Okafor signed in', 'Told countersign who holds this session: Zoë Okafor', 'Signed a medchat token', 'Believes that this is Zoë Okafor (P31188)']) {
    await log.getByText(line, { exact: true }).first().waitFor();
  }
  const audit = await log.locator('li', { hasText: 'Signed a medchat token' }).first().locator('pre').textContent();
  const { outcome, subject } = JSON.parse(audit);
  assert.equal(outcome, 'issued');
  assert.match(subject, /^[0-9a-f]{16}$/);
  assert.match(await page.locator('#token-left').innerText(), /Expires in (2:00|1:\d\d)/);
});

test('the_demo_page_works_with_the_keyboard_alone', async () => {
  const page = await here.page();
  const walk = async (steps) => {
    const reached = [];
    for (let n = 0; n < steps; n++) {
      await page.keyboard.press('Tab');
      reached.push(await page.evaluate(() => {
        const { activeElement: it } = document;
        return it.id || it.name || it.textContent.trim();
      }));
    }
    return reached;
  };
  const start = await walk(20);
  for (const place of ['skip-chat', 'Skip to the attacks', 'widget', 'with', 'login', 'password', 'Sign in', 'chat-text']) {
    assert.ok(start.includes(place), `${place} is not among ${start.join(', ')}`);
  }
  await page.getByText('Skip to the attacks').focus();
  await page.keyboard.press('Enter');
  assert.deepEqual(await walk(4), ['Forge one', 'Steal it', 'Ask without https', 'Open the foreign page']);
});

test('no_page_of_the_demo_is_wider_than_a_phone', async () => {
  const page = await here.page(await here.profile({ viewport: { width: 360, height: 800 } }));
  await signIn(page);
  await verified(page, 'Maya Lindgren');
  await page.getByText('As it travels').click();
  for (const button of ['Forge one', 'Ask without https']) await page.getByRole('button', { name: button }).click();
  await page.locator('#try-plain .results li').nth(1).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
});

test('a_token_ahead_of_its_end_is_renewed_before_it_expires', async () => {
  const page = await here.page(null, '?widget=userinfo');
  await signIn(page);
  await verified(page, 'Maya Lindgren');
  await until('the token was renewed', () => handedOver(page).length === 2, 90_000);
  const [first, second] = handedOver(page).map(({ token }) => claims(token));
  assert.ok(second.iat < first.exp, 'renewed while the first was still good');
  assert.notEqual(first.jti, second.jti);
  await verified(page, 'Maya Lindgren');
});

test('no_policy_was_violated_by_any_page_of_these_tests', () => {
  assert.deepEqual(here.violations, []);
});

test('the_demo_ends_cleanly_when_told_to', async () => {
  const demo = await startDemo('--widget', 'userinfo');
  const events = await fetch(`${demo.clinic}/demo/events`);
  assert.equal(events.status, 200);
  assert.equal(await demo.stop(), 0);
  assert.match(demo.said(), /The demo has ended/);
});
