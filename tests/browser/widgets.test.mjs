import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adapters, connect, createTokenSource } from '../../src/browser/countersign.js';
import { Machine, conversation, json, problem, token, webChat } from './page.mjs';

const BASE = 'https://clinic.example/identity';
const MINUTE = 60_000;

const source = (page, options) => createTokenSource({ base: BASE, env: page, ...options });

// --- MedChat

const medchat = (calls) => ({
  registerJWT: (given) => calls.push(`register ${given}`),
  unVerifyUser: () => calls.push('unverify'),
});

test('medchat_is_told_the_token_once_and_every_renewal_once', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const calls = [];
  page.medchatapp = medchat(calls);
  const ours = source(page);
  connect(ours, 'medchat');
  await machine.advance(100);
  assert.deepEqual(calls, [`register ${ours.current().token}`]);
  await machine.advance(9 * MINUTE);
  assert.equal(calls.length, 2);
  assert.equal(calls[1], `register ${ours.current().token}`);
});

test('a_medchat_script_that_loads_late_still_gets_the_token', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const calls = [];
  connect(source(page), 'medchat');
  await machine.advance(20_000);
  page.medchatapp = medchat(calls);
  await machine.advance(1000);
  assert.equal(calls.length, 1);
});

test('a_medchat_script_that_never_loads_costs_little_and_is_explained', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const errors = [];
  connect(source(page), 'medchat', { onError: (error) => errors.push(error) });
  await machine.advance(5 * MINUTE);
  assert.deepEqual(errors.map((error) => error.code), ['widget_missing']);
  assert.ok(page.timers().every((timer) => timer.ms >= 1000), 'nothing polls any more');
});

test('a_widget_given_up_is_tried_again_with_the_next_token', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const calls = [];
  connect(source(page), 'medchat');
  await machine.advance(5 * MINUTE);
  assert.match(page.warned[0], /script is not loaded/);
  page.medchatapp = medchat(calls);
  await machine.advance(4 * MINUTE);
  assert.equal(calls.length, 1);
});

test('logout_unverifies_the_visitor_at_once', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const calls = [];
  page.medchatapp = medchat(calls);
  const ours = source(page);
  connect(ours, 'medchat');
  await machine.advance(100);
  ours.logout();
  await machine.advance(0);
  assert.equal(calls.at(-1), 'unverify');
});

test('logout_overtakes_a_token_that_still_waits_for_the_script', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const calls = [];
  const ours = source(page);
  connect(ours, 'medchat');
  await machine.advance(1000);
  ours.logout();
  await machine.advance(1000);
  page.medchatapp = medchat(calls);
  await machine.advance(2000);
  assert.deepEqual(calls, ['unverify']);
});

test('a_token_that_expired_while_the_script_loaded_is_replaced_and_not_delivered', async () => {
  const machine = new Machine();
  machine.answer = () => token({ expires_in: 20 });
  const page = machine.tab();
  const calls = [];
  const ours = source(page);
  connect(ours, 'medchat');
  await machine.advance(50);
  page.show(false);
  const stale = `register ${ours.current().token}`;
  await machine.advance(40_000);
  page.medchatapp = medchat(calls);
  await machine.advance(2000);
  assert.equal(calls.length, 1);
  assert.notEqual(calls[0], stale);
});

test('a_widget_that_loads_late_hears_the_newest_token_alone', async () => {
  const machine = new Machine();
  machine.answer = () => token({ expires_in: 60 });
  const page = machine.tab();
  const calls = [];
  const ours = source(page);
  connect(ours, 'medchat');
  await machine.advance(40_000);
  page.medchatapp = medchat(calls);
  await machine.advance(1000);
  assert.equal(machine.requests.length, 2);
  assert.deepEqual(calls, [`register ${ours.current().token}`]);
});

test('a_visitor_who_is_not_logged_in_is_unverified_since_an_earlier_page_may_have_verified_somebody', async () => {
  const machine = new Machine();
  machine.answer = () => problem(401, 'login_required');
  const page = machine.tab();
  const calls = [];
  const errors = [];
  page.medchatapp = medchat(calls);
  connect(source(page), 'medchat', { onError: (error) => errors.push(error.code) });
  await machine.advance(100);
  assert.deepEqual(calls, ['unverify']);
  assert.deepEqual(errors, ['login_required']);
});

test('a_disconnected_widget_hears_nothing_more', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const calls = [];
  page.medchatapp = medchat(calls);
  const disconnect = connect(source(page), 'medchat');
  await machine.advance(100);
  disconnect();
  await machine.advance(60 * MINUTE);
  assert.equal(calls.length, 2);
  assert.equal(calls[1], 'unverify');
  assert.equal(machine.requests.length, 1);
});

test('disconnecting_ends_the_wait_for_a_script', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const disconnect = connect(source(page), 'medchat');
  await machine.advance(1000);
  disconnect();
  await machine.advance(1000);
  assert.equal(page.timers().filter((timer) => timer.ms < 30_000).length, 0);
  assert.deepEqual(page.warned, []);
});

// --- Direct Line

function clinic({ kind = 'healthcare-agent', options, answer } = {}) {
  const machine = new Machine();
  const page = machine.tab();
  let conversations = 0;
  machine.answer = answer ?? (({ url }) => {
    if (url.includes('/refresh')) return json({ connectorToken: 'newer', renewal: 'newer', expires_in: 3600 });
    if (url.endsWith('/logout')) return new Response(null, { status: 204 });
    return conversation(`c${++conversations}`);
  });
  page.WebChat = webChat();
  const ours = source(page, { widget: 'clinic' });
  const disconnect = connect(ours, kind, { element: page.element, locale: 'de-DE', ...options });
  return { machine, page, ours, disconnect, chats: page.WebChat.chats };
}

test('the_chat_is_opened_with_the_answers_own_token_and_domain', async () => {
  const { machine, page, chats } = clinic();
  await machine.advance(100);
  assert.equal(chats.length, 1);
  const [{ directLine, userID, locale, element }] = chats;
  assert.equal(directLine.token, 'connector-c1');
  assert.equal(directLine.domain, 'https://directline.example/v3/directline');
  assert.deepEqual([userID, locale], ['dl_7f3a', 'de-DE']);
  assert.deepEqual(page.element.children, [element]);
});

test('the_healthcare_agent_hears_the_opening_once_per_conversation_however_often_the_client_connects', async () => {
  const { machine, ours, chats } = clinic({ options: { triggeredScenario: { trigger: 'triage' } } });
  await machine.advance(100);
  const jsonWebToken = ours.current().token;
  chats[0].connected();
  chats[0].connected();
  assert.deepEqual(chats[0].store.posted, [{
    type: 'invoke',
    name: 'InitConversation',
    locale: 'de-DE',
    value: { jsonWebToken, triggeredScenario: { trigger: 'triage' } },
  }]);
  assert.equal(chats[0].store.seen.filter((type) => type.endsWith('CONNECT_FULFILLED')).length, 2);
});

test('a_proof_that_expired_while_the_client_was_connecting_is_not_sent', async () => {
  const { machine, chats } = clinic();
  await machine.advance(11 * MINUTE);
  chats[0].connected();
  assert.deepEqual(chats[0].store.posted, []);
  await machine.advance(3000);
  chats[1].connected();
  assert.equal(chats[1].store.posted.length, 1);
});

test('copilot_studio_opens_with_its_own_event', async () => {
  const { machine, chats } = clinic({ kind: 'copilot-studio' });
  await machine.advance(100);
  chats[0].connected();
  assert.deepEqual(chats[0].store.posted, [{ type: 'event', name: 'startConversation', locale: 'de-DE' }]);
});

test('a_plain_bot_that_has_no_signed_token_is_not_sent_one', async () => {
  for (const same of [{ token: 'connector-c1' }, { connectorToken: undefined }]) {
    const { machine, chats } = clinic({ kind: 'direct-line', answer: () => conversation('c1', same) });
    await machine.advance(100);
    chats[0].connected();
    assert.ok(chats[0].directLine.token);
    assert.deepEqual(chats[0].store.posted, []);
  }
});

test('the_page_may_choose_another_opening', async () => {
  const opening = (answer) => ({ type: 'event', name: 'hello', value: answer.userId });
  const { machine, chats } = clinic({ options: { opening } });
  await machine.advance(100);
  chats[0].connected();
  assert.deepEqual(chats[0].store.posted, [{ type: 'event', name: 'hello', value: 'dl_7f3a' }]);
});

test('an_open_conversation_is_renewed_and_never_replaced_while_it_lives', async () => {
  const { machine, chats } = clinic();
  await machine.advance(180 * MINUTE);
  assert.equal(chats.length, 1);
  assert.equal(machine.asked('/token').length, 1);
  assert.ok(machine.asked('/refresh').length >= 3);
  assert.equal(chats[0].directLine.ended, 0);
});

test('the_client_goes_on_with_the_renewed_token', async () => {
  const { machine, chats } = clinic();
  await machine.advance(100);
  chats[0].connected();
  assert.equal(chats[0].directLine.token, 'connector-c1');
  await machine.advance(60 * MINUTE);
  assert.equal(chats[0].directLine.token, 'newer');
  assert.equal(chats[0].store.posted.length, 1);
});

// J-10, R15.
test('a_dead_connection_is_replaced_from_a_fresh_exchange', async () => {
  for (const status of [3, 4, 5]) {
    const { machine, page, chats } = clinic();
    await machine.advance(100);
    chats[0].connected();
    chats[0].directLine.status(status);
    assert.equal(page.element.children[0], chats[0].element, 'the transcript stays readable meanwhile');
    await machine.advance(3000);
    assert.equal(chats.length, 2);
    chats[1].connected();
    assert.equal(chats[1].directLine.token, 'connector-c2');
    assert.equal(chats[1].store.posted.length, 1);
    assert.equal(chats[0].directLine.ended, 1);
    assert.deepEqual(page.element.children, [chats[1].element]);
  }
});

test('a_connection_that_fails_at_once_is_not_retried_in_a_storm', async () => {
  const { machine, page, chats } = clinic();
  const render = page.WebChat.renderWebChat;
  page.WebChat.renderWebChat = (props, element) => {
    render(props, element);
    setImmediate(() => props.directLine.status(4));
  };
  await machine.advance(5 * MINUTE);
  assert.ok(chats.length > 3 && chats.length < 25, `${chats.length} connections in five minutes`);
});

test('a_dead_connection_waits_out_an_outage_and_comes_back', async () => {
  const { machine, chats } = clinic();
  await machine.advance(100);
  const working = machine.answer;
  machine.answer = () => problem(503, 'upstream_unavailable');
  chats[0].directLine.status(3);
  await machine.advance(5 * MINUTE);
  assert.equal(chats.length, 1);
  machine.answer = working;
  await machine.advance(2 * MINUTE);
  assert.equal(chats.length, 2);
});

test('a_connection_that_worked_again_is_replaced_quickly_when_it_dies_again', async () => {
  const { machine, page, chats } = clinic();
  page.random = 0.999;
  await machine.advance(100);
  for (let i = 0; i < 6; i++) {
    chats.at(-1).directLine.status(4);
    await machine.advance(31_000);
  }
  chats.at(-1).connected();
  const before = chats.length;
  chats.at(-1).directLine.status(3);
  await machine.advance(2500);
  assert.equal(chats.length, before + 1);
});

test('a_laptop_that_slept_through_the_conversation_starts_a_new_one', async () => {
  const { machine, chats } = clinic();
  await machine.advance(100);
  chats[0].connected();
  machine.sleep(90 * MINUTE);
  await machine.advance(31_000);
  assert.equal(chats.length, 2);
  assert.equal(chats[0].directLine.ended, 1);
  chats[1].connected();
  assert.equal(chats[1].store.posted.length, 1);
});

test('a_short_sleep_keeps_the_conversation', async () => {
  const { machine, chats } = clinic();
  await machine.advance(100);
  machine.sleep(20 * MINUTE);
  await machine.advance(60 * MINUTE);
  assert.equal(chats.length, 1);
});

test('a_conversation_the_server_no_longer_knows_or_that_is_another_visitors_starts_again', async () => {
  for (const [status, code] of [[410, 'conversation_expired'], [403, 'conversation_foreign']]) {
    let n = 0;
    const { machine, chats } = clinic({
      answer: ({ url }) => (url.includes('/refresh') ? problem(status, code) : conversation(`c${++n}`)),
    });
    await machine.advance(49 * MINUTE);
    assert.equal(chats.length, 2, code);
    assert.equal(chats[0].directLine.ended, 1);
  }
});

test('a_session_revoked_during_the_chat_ends_it', async () => {
  const { machine, page, chats } = clinic({
    answer: ({ url }) => (url.includes('/refresh') ? problem(401, 'login_required') : conversation('c1')),
  });
  await machine.advance(60 * MINUTE);
  assert.equal(chats[0].directLine.ended, 1);
  assert.deepEqual(page.element.children, []);
});

test('logout_ends_the_connection_and_clears_the_transcript', async () => {
  const { machine, page, ours, chats } = clinic();
  await machine.advance(100);
  await ours.logout();
  await machine.advance(10);
  assert.equal(chats[0].directLine.ended, 1);
  assert.ok(chats[0].store.seen.includes('DIRECT_LINE/DISCONNECT'));
  assert.deepEqual(page.element.children, []);
  await machine.advance(60 * MINUTE);
  assert.equal(chats.length, 1);
});

test('logout_while_a_dead_connection_is_being_replaced_brings_nothing_back', async () => {
  const { machine, page, ours, chats } = clinic();
  await machine.advance(100);
  chats[0].directLine.status(3);
  await ours.logout();
  await machine.advance(10 * MINUTE);
  assert.equal(chats.length, 1);
  assert.deepEqual(page.element.children, []);
  assert.equal(machine.asked('/token').length, 1);
});

test('a_chat_put_into_the_page_again_does_not_repeat_the_opening', async () => {
  const { machine, page, ours, disconnect, chats } = clinic();
  await machine.advance(100);
  chats[0].connected();
  disconnect();
  connect(ours, 'healthcare-agent', { element: page.element });
  await machine.advance(100);
  chats.at(-1).connected();
  assert.equal(chats.length, 2);
  assert.notEqual(chats[1].directLine.token, chats[0].directLine.token);
  assert.equal(chats[0].store.posted.length, 1);
  assert.equal(chats[1].store.posted.length, 1);
});

test('a_chat_put_into_the_page_again_after_a_renewal_gets_a_conversation_of_its_own', async () => {
  const { machine, page, ours, disconnect, chats } = clinic();
  await machine.advance(100);
  await machine.advance(50 * MINUTE);
  disconnect();
  connect(ours, 'healthcare-agent', { element: page.element });
  await machine.advance(100);
  assert.equal(chats.length, 2);
});

test('a_chat_without_a_place_to_show_it_says_so', async () => {
  const errors = [];
  const { machine } = clinic({ options: { element: null, onError: (error) => errors.push(error) } });
  await machine.advance(100);
  assert.match(errors[0].message, /element/);
});

test('the_page_may_name_the_place_and_give_its_own_web_chat_props_and_middleware', async () => {
  const seen = [];
  const middleware = [() => (next) => (action) => (seen.push(action.type), next(action))];
  const webChatProps = { styleOptions: { a: 1 }, directLine: 'no' };
  const { machine, page, chats } = clinic({ options: { element: '#chat', webChat: webChatProps, middleware } });
  await machine.advance(100);
  chats[0].connected();
  assert.equal(page.element.children.length, 1);
  assert.deepEqual(chats[0].styleOptions, { a: 1 });
  assert.equal(chats[0].directLine.token, 'connector-c1');
  assert.ok(seen.includes('DIRECT_LINE/POST_ACTIVITY'));
});

// --- userinfo, generic, and a page's own

test('userinfo_sits_in_the_widgets_configuration_and_is_gone_after_logout', async () => {
  for (const [options, find] of [
    [{}, (page) => page.chatWidgetConfig],
    [{ object: 'acme', property: 'jwt' }, (page) => page.acme],
  ]) {
    const machine = new Machine();
    const page = machine.tab();
    page.chatWidgetConfig = { colour: 'blue' };
    const calls = [];
    const ours = source(page);
    connect(ours, 'userinfo', { ...options, onToken: (given) => calls.push(given), onLogout: () => calls.push('out') });
    await machine.advance(100);
    const given = ours.current().token;
    assert.equal(find(page)[options.property ?? 'userinfo'], given);
    ours.logout();
    await machine.advance(10);
    assert.equal((options.property ?? 'userinfo') in find(page), false);
    assert.equal(page.chatWidgetConfig.colour, 'blue');
    assert.deepEqual(calls, [given, 'out']);
  }
});

test('the_generic_adapter_calls_back', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const calls = [];
  const ours = source(page);
  const onToken = (given, answer) => calls.push([given, answer.expires_in]);
  connect(ours, 'generic', { onToken, onLogout: () => calls.push('out') });
  await machine.advance(100);
  const given = ours.current().token;
  ours.logout();
  await machine.advance(10);
  assert.deepEqual(calls, [[given, 600], 'out']);
});

test('a_page_may_bring_its_own_adapter_and_its_mistakes_stay_its_own', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const calls = [];
  const errors = [];
  const adapter = {
    start: async () => calls.push('start'),
    token(answer, { options }) {
      calls.push(options.room);
      throw new Error('the widget said no');
    },
  };
  const ours = source(page);
  connect(ours, adapter, { room: 7, onError: (error) => errors.push(error.message) });
  await machine.advance(100);
  assert.deepEqual(calls, ['start', 7]);
  assert.deepEqual(errors, ['the widget said no']);
  assert.ok(ours.current());
});

test('two_widgets_may_be_fed_from_one_source', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const calls = [];
  const ours = source(page);
  connect(ours, 'generic', { onToken: (given) => calls.push(given) });
  await machine.advance(100);
  connect(ours, 'generic', { onToken: (given) => calls.push(given) });
  await machine.advance(100);
  assert.equal(calls.length, 2);
  assert.equal(new Set(calls).size, 1);
  assert.equal(machine.requests.length, 1);
});

test('an_unknown_adapter_is_refused_at_once', () => {
  const ours = source(new Machine().tab());
  for (const kind of ['medchatt', 'toString', undefined, {}]) {
    assert.throws(() => connect(ours, kind), { code: 'misconfigured' });
  }
});

test('every_adapter_is_one_entry_with_the_same_few_parts', () => {
  for (const [name, adapter] of Object.entries(adapters)) {
    assert.equal(typeof adapter.token, 'function', name);
    assert.equal(typeof adapter.logout, 'function', name);
    assert.ok(Object.keys(adapter).every((part) => ['start', 'token', 'renewed', 'logout'].includes(part)), name);
  }
});

// --- privacy

// J-7.
test('no_token_reaches_the_console_the_document_or_a_message', async () => {
  const { machine, page, ours, chats } = clinic();
  await machine.advance(100);
  const { token: proof, connectorToken } = ours.current();
  chats[0].connected();
  chats[0].directLine.status(3);
  machine.answer = () => problem(403, 'forbidden');
  await machine.advance(10 * MINUTE);
  const visible = JSON.stringify([page.warned, page.reported.map(String), page.element]);
  assert.ok(!visible.includes(proof) && !visible.includes(connectorToken));
});

// --- nothing fails silently

test('without_a_listener_each_kind_of_error_is_explained_once_in_the_console', async () => {
  const machine = new Machine();
  const page = machine.tab();
  machine.answer = () => problem(401, 'login_required', {}, { detail: 'Nobody is logged in' });
  connect(source(page), 'generic', {});
  await machine.advance(60 * MINUTE);
  assert.deepEqual(page.warned, ['countersign: Nobody is logged in (401)']);
  machine.answer = () => new TypeError('Failed to fetch');
  page.show(true);
  await machine.advance(60 * MINUTE);
  assert.equal(page.warned.length, 2, page.warned.join());
  assert.match(page.warned[1], /CORS/);
});

test('a_listener_hears_each_error_once_and_the_console_nothing', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const errors = [];
  machine.answer = () => problem(403, 'forbidden');
  connect(source(page), 'generic', { onError: (error) => errors.push(error.code) });
  await machine.advance(60 * MINUTE);
  assert.deepEqual([errors, page.warned], [['forbidden'], []]);
});

test('a_widget_connected_after_the_failure_is_told_as_well', async () => {
  const machine = new Machine();
  const page = machine.tab();
  machine.answer = () => problem(403, 'forbidden');
  const ours = source(page);
  await ours.getToken().catch(() => {});
  const errors = [];
  connect(ours, 'generic', { onError: (error) => errors.push(error.code) });
  connect(ours, 'generic');
  await machine.advance(100);
  assert.deepEqual([errors, page.warned.length], [['forbidden'], 1]);
});

test('a_widget_that_was_disconnected_is_told_nothing', async () => {
  const machine = new Machine();
  const page = machine.tab();
  machine.answer = () => problem(403, 'forbidden');
  connect(source(page), 'generic')();
  await machine.advance(100);
  assert.deepEqual(page.warned, []);
});
