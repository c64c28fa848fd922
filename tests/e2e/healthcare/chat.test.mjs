// The healthcare agent's chat, from login to logout, in Microsoft's Web Chat and in the demo's own small client.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claims, findings, signIn, stage, until, verdict } from '../browser/stage.mjs';

const QUERY = '?widget=healthcare-agent';
const FIELD = 'Type your message';

// What the page sent to countersign and to Direct Line, and what it was answered by countersign.
function watch(page) {
  const seen = { sent: [], answers: [], sockets: [] };
  page.on('request', (request) => {
    const { pathname, search } = new URL(request.url());
    if (pathname.startsWith('/demo/')) return;
    const body = request.postData();
    seen.sent.push({ method: request.method(), path: pathname + search, body: body?.startsWith('{') ? JSON.parse(body) : body });
  });
  page.on('response', async (response) => {
    if (!/chat-identity\/(token|refresh|chatBot)/.test(response.url())) return;
    const text = await response.text().catch(() => '');
    seen.answers.push({ path: new URL(response.url()).pathname, status: response.status(), text });
  });
  page.on('websocket', (socket) => seen.sockets.push(socket.url()));
  seen.openings = () => seen.sent.filter(({ body }) => body?.name === 'InitConversation').map(({ body }) => body);
  seen.started = () => seen.sent.filter(({ method, path }) => method === 'POST' && path === '/v3/directline/conversations').length;
  seen.answer = () => JSON.parse(seen.answers.find(({ path, status }) => path.endsWith('/token/healthcare-agent') && status === 200).text);
  return seen;
}

async function open(here, { context, query = QUERY } = {}) {
  const page = await here.page(context, query);
  page.seen = watch(page);
  return page;
}

const reads = (page, text) => page.locator('#webchat').getByText(text).first().waitFor({ timeout: 20_000 });

async function write(page, text) {
  const field = page.getByPlaceholder(FIELD);
  await field.fill(text);
  await field.press('Enter');
}

// One request of the page's own.
const ask = (page, path, content) => page.evaluate(async ([to, body]) => {
  const headers = body && { 'Content-Type': 'application/json' };
  const response = await fetch(to, { method: 'POST', headers, body: body && JSON.stringify(body) });
  return { status: response.status, text: await response.text() };
}, [path, content]);

const clients = { web_chat: ['--webchat', process.env.WEBCHAT], own_client: [] };

const stages = [];

for (const [client, args] of Object.entries(clients)) {
  const here = stage(...args, '--widget', 'healthcare-agent');
  stages.push(here);

  test(`${client}_opens_the_conversation_with_the_signed_token_and_is_greeted_by_the_verified_name`, async () => {
    const page = await open(here);
    await signIn(page);
    await reads(page, 'Hello, Maya Lindgren! Your identity is verified.');
    await until('the page shows the verdict', async () => (await verdict(page).innerText()) === 'believes: Maya Lindgren');
    const answer = page.seen.answer();
    const [opening, ...more] = page.seen.openings();
    assert.equal(more.length, 0, 'the agent hears the opening once');
    assert.equal(opening.type, 'invoke');
    assert.equal(opening.value.jsonWebToken, answer.token);
    const proof = claims(answer.token);
    assert.match(proof.userId, /^dl_[A-Za-z0-9]{30,}$/, 'nobody can tell who that is');
    assert.doesNotMatch(proof.userId, /P20417|maya/i);
    assert.equal(proof.userName, 'Maya Lindgren');
    assert.equal(proof.connectorToken, answer.connectorToken);
    assert.ok(proof.exp - proof.iat <= 65);
    assert.equal(claims(answer.connectorToken).user, proof.userId, 'Direct Line has bound the conversation to the same id');
    assert.equal(answer.userId, proof.userId);
  });

  test(`${client}_exchanges_messages_under_the_bound_id`, async () => {
    const page = await open(here);
    await signIn(page);
    await reads(page, 'Your identity is verified.');
    await write(page, 'Is the pier open?');
    await reads(page, 'You said, Maya Lindgren: Is the pier open?');
    assert.equal(page.seen.started(), 1);
    assert.equal(page.seen.sockets.length, 1);
  });

  test(`${client}_gets_nothing_for_a_visitor_who_is_not_signed_in`, async () => {
    const page = await open(here);
    await page.getByText('Please sign in.').waitFor();
    assert.equal((await ask(page, '/chat-identity/token/healthcare-agent')).status, 401);
    assert.equal(page.seen.started(), 0);
  });

  test(`${client}_outlives_its_first_token_because_the_conversation_is_renewed`, async () => {
    const page = await open(here);
    await signIn(page);
    await reads(page, 'Your identity is verified.');
    const first = page.seen.answer();
    const renewed = () => page.seen.answers.filter(({ path, status }) => path.endsWith('/refresh/healthcare-agent') && status === 200);
    await until('the conversation was renewed', () => renewed().length > 0, 45_000);
    const { conversationId, connectorToken } = JSON.parse(renewed()[0].text);
    assert.equal(conversationId, first.conversationId);
    assert.notEqual(connectorToken, first.connectorToken);
    await until('the first token has ended', () => Date.now() / 1000 > claims(first.connectorToken).exp + 1, 70_000);
    await write(page, 'Are you still there?');
    await reads(page, 'You said, Maya Lindgren: Are you still there?');
    assert.equal(page.seen.started(), 1, 'it is the same conversation');
    assert.equal(page.seen.openings().length, 1);
  });

  test(`${client}_ends_with_the_login_and_nothing_is_issued_or_renewed_afterwards`, async () => {
    const page = await open(here);
    await signIn(page);
    await reads(page, 'Your identity is verified.');
    const { connectorToken, renewal } = page.seen.answer();
    assert.equal((await ask(page, '/chat-identity/refresh/healthcare-agent', { connectorToken, renewal })).status, 200);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('Please sign in.').waitFor();
    assert.equal(await page.locator('#webchat').getByText('Maya').count(), 0, 'the transcript is gone');
    assert.equal((await ask(page, '/chat-identity/token/healthcare-agent')).status, 401);
    assert.equal((await ask(page, '/chat-identity/chatBot?userId=forged')).status, 401);
    const refused = await ask(page, '/chat-identity/refresh/healthcare-agent', { connectorToken, renewal });
    assert.deepEqual([refused.status, JSON.parse(refused.text).code], [401, 'login_required']);
  });

  test(`${client}_shows_the_sample_page_whose_query_names_nobody`, async () => {
    const page = await open(here);
    await signIn(page, 'zoe');
    await reads(page, 'Hello, Zoë Okafor!');
    const { userId } = claims(page.seen.answer().token);
    await page.goto(`${here.demo.clinic}/sample`);
    await page.getByText('The token names Zoë Okafor.').waitFor();
    await reads(page, 'Hello, Zoë Okafor! Your identity is verified.');
    const shown = JSON.parse(await page.locator('#said').getAttribute('data-payload'));
    assert.deepEqual(shown, { userId, userName: 'Zoë Okafor' });
    const { path, method } = page.seen.sent.find((sent) => sent.path.includes('/chatBot'));
    assert.equal(`${method} ${path}`, 'POST /chat-identity/chatBot?locale=en-us&userId=forged&userName=Forged');
    const bare = page.seen.answers.find((answer) => answer.path.endsWith('/chatBot')).text;
    assert.ok(!JSON.stringify(claims(bare)).toLowerCase().includes('forged'));
    assert.match(atob(bare.split('.')[1]), /^[\x20-\x7e]+$/);
    assert.equal(page.seen.openings().at(-1).value.jsonWebToken, bare);
    await write(page, 'Grüße');
    await reads(page, 'You said, Zoë Okafor: Grüße');
  });
}

test('the_agents_pages_leave_nobody_out', async () => {
  const [, here] = stages;
  for (const colorScheme of ['light', 'dark']) {
    const page = await open(here, { context: await here.profile({ colorScheme, viewport: { width: 390, height: 844 } }) });
    assert.deepEqual(await findings(page), [], 'signed out');
    await signIn(page);
    await reads(page, 'Your identity is verified.');
    assert.deepEqual(await findings(page), [], 'in conversation');
    await page.goto(`${here.demo.clinic}/sample`);
    await reads(page, 'Your identity is verified.');
    assert.deepEqual(await findings(page), [], 'the sample page');
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
  }
});

const real = stage(...clients.web_chat);
stages.push(real);

test('nobody_renews_the_conversation_of_somebody_else', async () => {
  const page = await open(real);
  await signIn(page, 'maya');
  await reads(page, 'Hello, Maya Lindgren!');
  const { connectorToken, renewal } = page.seen.answer();
  const other = await open(real);
  await signIn(other, 'zoe');
  await reads(other, 'Hello, Zoë Okafor!');
  const refused = await ask(other, '/chat-identity/refresh/healthcare-agent', { connectorToken, renewal });
  assert.deepEqual([refused.status, JSON.parse(refused.text).code], [403, 'conversation_foreign']);
});

test('the_vendors_own_page_code_works_unmodified', async () => {
  const page = await open(real, { query: `${QUERY}&with=snippet` });
  await signIn(page);
  await reads(page, 'Hello, Maya Lindgren!');
  assert.equal(page.seen.openings().length, 1);
  await write(page, 'Good morning');
  await reads(page, 'You said, Maya Lindgren: Good morning');
});

test('the_page_switches_to_the_agent_and_back_without_loading_again', async () => {
  const page = await open(real, { query: '?widget=medchat' });
  await signIn(page);
  await until('medchat believes', async () => (await verdict(page).innerText()) === 'believes: Maya Lindgren');
  await page.evaluate(() => { window.sameDocument = true; });
  await page.getByRole('radio', { name: 'healthcare-agent' }).check();
  await reads(page, 'Hello, Maya Lindgren!');
  await page.getByRole('radio', { name: 'medchat' }).check();
  await page.getByRole('textbox', { name: 'Message', exact: true }).waitFor();
  assert.equal(await page.locator('#agent').isVisible(), false);
  assert.ok(await page.evaluate(() => window.sameDocument));
});

test('the_live_view_shows_the_ticket_the_opening_and_the_agents_verdict', async () => {
  const page = await open(real);
  await signIn(page);
  await reads(page, 'Hello, Maya Lindgren!');
  const log = page.getByRole('log', { name: 'What happens' });
  for (const line of [
    'Told countersign who holds this session: Maya Lindgren', 'Gave countersign a token for one new conversation',
    'Signed a healthcare-agent token', 'The page opened the conversation', /^Believes that this is Maya Lindgren \(dl_/,
  ]) {
    await log.getByText(line).first().waitFor();
  }
  const record = await log.locator('li', { hasText: 'Believes that this is' }).first().locator('pre').textContent();
  assert.equal(JSON.parse(record).claims.connectorToken, undefined, 'no token is told');
});

test('the_agent_believes_no_forgery_and_no_borrowed_id', async () => {
  const page = await open(real);
  await signIn(page);
  await reads(page, 'Hello, Maya Lindgren!');
  await page.getByRole('button', { name: 'Forge one' }).click();
  const results = page.locator('#try-forged .results li');
  await results.nth(3).waitFor();
  const tried = await results.evaluateAll((items) => items.map((item) => [item.dataset.verdict, item.querySelector('.why').textContent]));
  assert.equal(tried.length, 4);
  for (const [result, why] of tried) assert.equal(result, 'refused', why);
  assert.match(tried[0][1], /not genuine/);
  assert.match(tried[3][1], /own over it: dl_/);
});

test('no_policy_was_violated_by_any_page_of_the_chat', () => {
  assert.deepEqual(stages.flatMap(({ violations }) => violations), []);
});
