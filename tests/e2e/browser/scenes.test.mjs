// What a visitor of the demo does first, and what time does to a token, without waiting for it.

import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { findings, handedOver, say, stage, until, verdict } from './stage.mjs';

const here = stage();

const focused = (page) => page.evaluate(() => document.activeElement.id);
const shows = (page, text) => until(text, async () => (await verdict(page).innerText()).includes(text));

// A page that stays open goes on renewing.
afterEach(async () => {
  for (const context of here.browser.contexts()) await context.close();
});

// The patients' own buttons.
async function enter(page, name = 'Maya Lindgren') {
  await page.getByRole('button', { name: `Sign in as ${name}` }).click();
  await page.getByRole('heading', { name: `Welcome, ${name}` }).waitFor();
  await shows(page, `believes: ${name}`);
}

test('a_patients_button_signs_in_and_the_focus_goes_where_the_visitor_goes_on', async () => {
  const page = await here.page();
  await enter(page, 'Zoë Okafor');
  assert.equal(await focused(page), 'hello');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await until('the name is asked for', async () => (await focused(page)) === 'login');
  await page.getByLabel('Name').fill('zoe');
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('alert').waitFor();
  await until('the password is asked for again', async () => (await focused(page)) === 'password');
});

test('the_skip_link_leads_to_the_chat_that_is_shown', async () => {
  const page = await here.page();
  for (const [widget, id] of [['healthcare-agent', 'agent'], ['medchat', 'chat']]) {
    await page.getByRole('radio', { name: widget }).check();
    await page.getByText('Skip to the chat').focus();
    await page.keyboard.press('Enter');
    assert.equal(await focused(page), id);
  }
});

test('countersigns_own_login_lets_somebody_in_and_out', async () => {
  const page = await here.page();
  const [login] = await Promise.all([page.waitForEvent('popup'), page.getByRole('button', { name: 'Open the login window' }).click()]);
  await login.getByLabel('User name').fill('maya');
  await login.getByLabel('Password', { exact: true }).fill('harbour-light');
  await login.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('heading', { name: 'Welcome, Maya Lindgren' }).waitFor();
  await shows(page, 'believes: Maya Lindgren');
  assert.equal(await focused(page), 'hello');
  await page.getByRole('log', { name: 'What happens' }).getByText('Somebody logged in at countersign’s own login').waitFor();
  await page.reload();
  await shows(page, 'believes: Maya Lindgren');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await shows(page, 'anonymous visitor');
  assert.equal(await page.evaluate(async () => (await fetch('/chat-identity/token')).status), 401);
});

test('the_widget_asks_an_anonymous_visitor_to_log_in_and_grants_only_after_that', async () => {
  const page = await here.page();
  await page.getByRole('button', { name: 'When is my appointment?' }).click();
  const [login] = await Promise.all([page.waitForEvent('popup'), page.getByRole('button', { name: 'Log in to go on' }).click()]);
  await login.getByLabel('User name').fill('maya');
  await login.getByLabel('Password', { exact: true }).fill('wrong');
  await login.getByRole('button', { name: 'Log in' }).click();
  await login.getByRole('alert').waitFor();
  const status = () => page.evaluate(async () => (await fetch('/chat-identity/token')).status);
  assert.equal(await status(), 401, 'wrong credentials grant nothing');
  await shows(page, 'anonymous visitor');
  await login.getByLabel('Password', { exact: true }).fill('harbour-light');
  await login.getByRole('button', { name: 'Log in' }).click();
  await shows(page, 'believes: Maya Lindgren');
  await page.getByRole('button', { name: 'When is my appointment?' }).click();
  await page.locator('.lines .bot', { hasText: /Maya.*Tuesday at 10:40/ }).waitFor();
});

test('a_login_window_that_is_closed_is_told_and_harms_nobody', async () => {
  const page = await here.page();
  const [login] = await Promise.all([page.waitForEvent('popup'), page.getByRole('button', { name: 'Open the login window' }).click()]);
  await login.close();
  await page.getByText('The login window was closed.').waitFor();
});

test('at_the_end_of_a_token_the_module_has_the_next_one', async () => {
  for (const button of ['To its renewal', 'To the end of this token']) {
    const page = await here.page();
    await enter(page);
    await page.getByRole('button', { name: button }).click();
    await until('handed over again', () => handedOver(page).length === 2);
    await shows(page, 'believes: Maya Lindgren');
    assert.match(await page.locator('#token-left').innerText(), /^Expires in/);
    assert.match(await say(page, 'Who am I?'), /Maya Lindgren/);
  }
});

test('at_the_end_of_a_snippets_token_nobody_is_believed_and_every_message_is_answered_with_advice', async () => {
  for (const widget of ['medchat', 'userinfo']) {
    const page = await here.page(null, `?widget=${widget}&with=snippet`);
    await enter(page);
    await page.getByRole('button', { name: 'To the end of this token' }).click();
    await shows(page, 'expired');
    assert.equal(await page.locator('#flow-verdict').getAttribute('data-state'), 'bad');
    await until('the widget knows nobody any more', async () => (await page.locator('#chat .badge').innerText()) === 'Not verified');
    assert.match(await page.locator('#elsewhere').innerText(), /countersign\.js/);
    for (const question of ['When is my appointment?', 'Are you there?']) {
      const reply = await say(page, question);
      assert.ok(reply.includes(question) && /expired.*Loading the page again/.test(reply), reply);
    }
    await shows(page, 'expired');
  }
});

test('a_renewed_conversation_is_never_shown_as_expired', async () => {
  const page = await here.page(null, '?widget=healthcare-agent');
  await enter(page);
  await page.getByRole('button', { name: 'To its renewal' }).click();
  await page.getByRole('log', { name: 'What happens' }).getByText('Renewed the conversation').first().waitFor();
  await page.getByRole('button', { name: 'To the end of this token' }).click();
  await until('the proof has ended', async () => /goes on/.test(await page.locator('#token-left').innerText()));
  assert.equal(await page.locator('#agent-badge').innerText(), 'Verified: Maya Lindgren');
  await shows(page, 'believes: Maya Lindgren');
});

test('the_agent_answers_what_it_suggests', async () => {
  const page = await here.page(null, '?widget=healthcare-agent');
  await enter(page);
  for (const [question, answer] of [
    ['When is my appointment?', /Maya, is Tuesday at 10:40/], ['Who am I?', /Maya Lindgren, patient P20417/], ['When are you open?', /Monday to Friday/],
  ]) {
    await page.locator('#webchat').getByRole('button', { name: question }).click();
    await page.locator('#webchat .bot', { hasText: answer }).waitFor();
  }
});

test('what_the_agent_could_not_be_told_is_not_lost', async () => {
  const page = await here.page(null, '?widget=healthcare-agent&with=snippet');
  await enter(page);
  await page.getByRole('button', { name: 'To the end of this token' }).click();
  await shows(page, 'expired');
  const field = page.getByLabel('Message to the agent');
  await field.fill('Is anybody there?');
  await field.press('Enter');
  await page.locator('#webchat .note', { hasText: /Not sent.*countersign\.js/ }).waitFor();
  assert.equal(await field.inputValue(), 'Is anybody there?');
});

test('a_pseudonym_is_short_until_somebody_asks', async () => {
  const page = await here.page(null, '?widget=healthcare-agent');
  await enter(page);
  for (const place of ['#token-claims', '#log']) {
    const short = page.locator(place).getByRole('button', { name: /^dl_\w{6}…, show the whole/ }).first();
    await short.click();
    const whole = page.locator(place).getByRole('button', { name: /^dl_[\w-]{20,}, show less/ }).first();
    assert.equal(await whole.getAttribute('aria-expanded'), 'true');
    await whole.click();
    await short.waitFor();
  }
});

test('an_address_is_broken_at_its_at_sign_or_not_at_all', async () => {
  for (const width of [1280, 1000, 390, 320]) {
    const page = await here.page(await here.profile({ viewport: { width, height: 800 } }));
    await enter(page);
    const broken = await page.evaluate(() => [...document.querySelectorAll('[data-patient=email], #token-claims td')].flatMap((cell) =>
      [...cell.childNodes].filter(({ nodeType, data }) => nodeType === Node.TEXT_NODE && /^@|^maya\./.test(data)).filter((text) => {
        const range = document.createRange();
        range.selectNodeContents(text);
        return new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size > 1;
      }).map(({ data }) => data)));
    assert.deepEqual(broken, [], `${width} wide`);
  }
});

test('every_page_of_the_demo_has_a_way_back_and_says_what_it_is', async () => {
  const page = await here.page(null, 'sample');
  await page.getByRole('link', { name: 'Back to the clinic' }).click();
  await page.getByRole('heading', { name: 'Harbour Clinic' }).waitFor();
  await enter(page);
  const address = await page.locator('#token-claims tr', { hasText: 'directLineURI' }).locator('td').innerText();
  await page.goto(`http://${address}/`);
  await page.getByRole('heading', { name: /double of Direct Line/ }).waitFor();
});

test('the_consoles_tables_fit_a_phone', async () => {
  const page = await here.page(await here.profile({ viewport: { width: 360, height: 800 } }));
  await enter(page);
  await page.goto(`${here.demo.console}/`);
  for (const summary of await page.locator('summary').all()) await summary.click();
  const wide = await page.evaluate(() => [...document.querySelectorAll('.scroll')].filter((part) => part.scrollWidth > part.clientWidth).map(({ id }) => id));
  assert.deepEqual(wide, [], 'nothing is scrolled sideways');
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
});

test('an_ended_token_and_an_open_pseudonym_leave_nobody_out', async () => {
  for (const colorScheme of ['light', 'dark']) {
    const page = await here.page(await here.profile({ colorScheme, bypassCSP: true }), '?widget=healthcare-agent&with=snippet');
    await enter(page);
    await page.locator('#log button.short').first().click();
    await page.getByRole('button', { name: 'To the end of this token' }).click();
    await shows(page, 'expired');
    assert.deepEqual(await findings(page), []);
  }
});

test('no_policy_was_violated_in_any_scene', () => assert.deepEqual(here.violations, []));
