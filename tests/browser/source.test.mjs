import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTokenSource } from '../../src/browser/countersign.js';
import { Machine, conversation, json, problem, token } from './page.mjs';

const BASE = 'https://clinic.example/identity';
const MINUTE = 60_000;

const source = (page, options) => createTokenSource({ base: BASE, widget: 'support', env: page, ...options });

const heard = (of) => {
  const events = [];
  of.subscribe((event) => events.push(event));
  return events;
};

const types = (events) => events.map((event) => event.type);

const refused = async (promise) => {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail('it was granted');
};

// Starts a call, lets the machine's clock run, and gives what came of it.
async function running(machine, promise, ms = 0) {
  const outcome = promise.then((value) => [value], (error) => [null, error]);
  await machine.advance(ms);
  const [value, error] = await outcome;
  if (error) throw error;
  return value;
}

// --- one answer, however many ask

test('the_second_call_is_answered_from_memory', async () => {
  const machine = new Machine();
  const ours = source(machine.tab());
  const first = await running(machine, ours.getToken(), 50);
  assert.equal(await ours.getToken(), first);
  assert.equal(ours.current().token, first);
  assert.equal(machine.requests.length, 1);
});

// J-2.
test('ten_callers_share_one_request', async () => {
  const machine = new Machine();
  const ours = source(machine.tab());
  const calls = Array.from({ length: 10 }, () => ours.getToken());
  assert.equal(new Set(await running(machine, Promise.all(calls), 50)).size, 1);
  assert.equal(machine.requests.length, 1);
});

test('a_forced_call_joins_the_request_that_is_already_out', async () => {
  const machine = new Machine();
  const ours = source(machine.tab());
  const calls = [ours.getToken(), ours.getToken({ force: true }), ours.getToken({ force: true })];
  await running(machine, Promise.all(calls), 50);
  assert.equal(machine.requests.length, 1);
});

test('a_forced_call_asks_although_a_token_is_held', async () => {
  const machine = new Machine();
  const ours = source(machine.tab());
  const first = await running(machine, ours.getToken(), 50);
  assert.notEqual(await running(machine, ours.getToken({ force: true }), 50), first);
});

// J-2.
test('two_tabs_share_one_refresh', async () => {
  const machine = new Machine();
  const [a, b] = [source(machine.tab()), source(machine.tab())];
  const [ofA, ofB] = [heard(a), heard(b)];
  await machine.advance(1000);
  const before = machine.requests.length;
  await machine.advance(9 * MINUTE);
  assert.equal(machine.requests.length, before + 1);
  assert.equal(a.current().token, b.current().token);
  assert.equal(ofA.at(-1).answer.token, ofB.at(-1).answer.token);
});

test('two_tabs_that_ask_at_the_same_moment_send_one_request', async () => {
  const machine = new Machine();
  machine.answer = () => machine.wait(400).then(() => token());
  const [a, b] = [source(machine.tab()), source(machine.tab())];
  await machine.advance(10);
  const [one, other] = await running(machine, Promise.all([a.getToken(), b.getToken()]), 2000);
  assert.equal(one, other);
  assert.equal(machine.requests.length, 1);
});

test('news_that_travels_slower_than_the_lock_is_waited_for', async () => {
  const machine = new Machine();
  machine.distance = 30;
  machine.answer = () => machine.wait(400).then(() => token());
  const [a, b] = [source(machine.tab()), source(machine.tab())];
  await machine.advance(10);
  await running(machine, Promise.all([a.getToken(), b.getToken()]), 2000);
  assert.equal(machine.requests.length, 1);
});

test('an_answer_older_than_the_one_held_is_dropped', async () => {
  const machine = new Machine();
  const lacks = ['locks'];
  const [slow, fast] = [machine.tab({ lacks }), machine.tab({ lacks })];
  machine.answer = ({ page }) => machine.wait(page === slow ? 2000 : 10).then(() => token());
  const [a, b] = [source(slow), source(fast)];
  await machine.advance(10);
  const call = a.getToken();
  await machine.advance(500);
  const newer = await running(machine, b.getToken(), 100);
  assert.equal(await running(machine, call, 3000), newer);
  assert.equal(a.current().token, newer);
});

test('a_neighbours_answer_that_is_expired_or_from_the_future_is_not_taken', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const ours = source(page);
  const neighbour = new (machine.tab().BroadcastChannel)();
  const send = (wall) => neighbour.postMessage({
    type: 'answer',
    base: BASE,
    url: `${BASE}/token/support`,
    answer: { token: 'a.b.c', expires_in: 600 },
    wall,
  });
  page.show(false);
  const events = heard(ours);
  await machine.advance(700_000);
  send(machine.clock.wall + MINUTE);
  send(machine.clock.wall - 650_000);
  neighbour.postMessage(null);
  await machine.advance(10);
  assert.deepEqual(events, []);
  send(machine.clock.wall - 1000);
  await machine.advance(10);
  assert.equal(ours.current().token, 'a.b.c');
});

test('a_tab_told_that_nobody_is_logged_in_recovers_with_its_neighbours_answer_and_renews_it', async () => {
  const machine = new Machine();
  const [a, b] = [source(machine.tab()), source(machine.tab())];
  machine.answer = () => problem(401, 'login_required');
  const events = heard(b);
  await machine.advance(100);
  machine.answer = () => token();
  await running(machine, a.getToken(), 100);
  a.stop();
  await machine.advance(9 * MINUTE);
  assert.deepEqual(types(events), ['login_required', 'token', 'token']);
});

test('tabs_of_different_widgets_share_nothing', async () => {
  const machine = new Machine();
  const [a, b] = [source(machine.tab()), source(machine.tab(), { widget: 'clinic' })];
  await machine.advance(10);
  const [one, other] = await running(machine, Promise.all([a.getToken(), b.getToken()]), 100);
  assert.notEqual(one, other);
});

test('a_browser_without_locks_or_channels_still_gets_its_token', async () => {
  const machine = new Machine();
  for (const lacks of [['locks'], ['channel'], ['locks', 'channel']]) {
    assert.ok(await running(machine, source(machine.tab({ lacks })).getToken(), 100));
  }
});

test('a_frozen_tab_that_holds_the_lock_starves_nobody', async () => {
  const machine = new Machine();
  machine.locks.freeze(`countersign ${BASE}/token/support`);
  assert.ok(await running(machine, source(machine.tab()).getToken(), 13_000));
});

test('a_page_that_speaks_with_its_own_headers_shares_with_nobody', async () => {
  const machine = new Machine();
  const headers = () => ({ Authorization: 'Bearer of this tab' });
  const [a, b] = [source(machine.tab(), { headers }), source(machine.tab())];
  await machine.advance(10);
  await running(machine, a.getToken(), 100);
  assert.equal(b.current(), null);
  await running(machine, b.getToken(), 100);
  assert.notEqual(a.current().token, b.current().token);
});

test('a_conversation_is_never_shared_between_tabs', async () => {
  const machine = new Machine();
  machine.answer = (_, n) => conversation(`c${n}`);
  const [a, b] = [source(machine.tab()), source(machine.tab())];
  await machine.advance(10);
  await running(machine, Promise.all([a.getToken(), b.getToken()]), 200);
  assert.notEqual(a.current().conversationId, b.current().conversationId);
});

test('sharing_can_be_switched_off_for_tokens_that_may_be_used_once', async () => {
  const machine = new Machine();
  const [a, b] = [source(machine.tab(), { share: false }), source(machine.tab(), { share: false })];
  await machine.advance(10);
  const [one, other] = await running(machine, Promise.all([a.getToken(), b.getToken()]), 200);
  assert.notEqual(one, other);
});

// --- logout and other people

// J-2.
test('a_late_answer_never_survives_logout', async () => {
  const machine = new Machine();
  const slow = () => machine.wait(500).then(() => token());
  machine.answer = ({ url }) => (url.endsWith('/logout') ? new Response(null, { status: 204 }) : slow());
  const ours = source(machine.tab());
  const events = heard(ours);
  const call = refused(ours.getToken());
  await machine.advance(100);
  await running(machine, ours.logout(), 0);
  assert.equal((await running(machine, call, 1000)).code, 'logged_out');
  assert.equal(ours.current(), null);
  assert.deepEqual(types(events), ['logout']);
});

test('logout_in_one_tab_ends_the_other', async () => {
  const machine = new Machine();
  const [a, b] = [source(machine.tab()), source(machine.tab())];
  await running(machine, Promise.all([a.getToken(), b.getToken()]), 200);
  const events = heard(b);
  await running(machine, a.logout(), 10);
  assert.equal(b.current(), null);
  assert.deepEqual(types(events), ['token', 'logout']);
  assert.equal((await refused(b.getToken())).code, 'logged_out');
});

test('logout_ends_every_widget_of_the_page', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const [a, b] = [source(page), source(page, { widget: 'clinic' })];
  await running(machine, Promise.all([a.getToken(), b.getToken()]), 200);
  await running(machine, a.logout(), 10);
  assert.equal(b.current(), null);
});

test('a_neighbours_late_answer_is_dropped_after_logout', async () => {
  const machine = new Machine();
  machine.answer = ({ url }) => (url.endsWith('/logout') ? problem(404) : machine.wait(500).then(() => token()));
  const [a, b] = [source(machine.tab()), source(machine.tab())];
  await machine.advance(10);
  const call = refused(b.getToken());
  await machine.advance(100);
  await running(machine, a.logout(), 0);
  await running(machine, call, 1000);
  assert.deepEqual([a.current(), b.current()], [null, null]);
});

test('an_answer_asked_for_before_this_page_was_loaded_is_not_believed', async () => {
  const machine = new Machine();
  machine.answer = () => machine.wait(500).then(() => token());
  const a = source(machine.tab());
  const call = a.getToken();
  await machine.advance(100);
  const b = source(machine.tab());
  await running(machine, call, 600);
  assert.ok(a.current());
  assert.equal(b.current(), null);
});

test('after_logout_no_event_brings_the_token_back', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const ours = source(page);
  heard(ours);
  await machine.advance(100);
  await running(machine, ours.logout(), 10);
  const before = machine.asked().length;
  page.show(false);
  page.show(true);
  page.fire('online');
  page.fire('pageshow', { persisted: true });
  await machine.advance(30 * MINUTE);
  assert.equal(machine.asked().length, before);
});

test('what_was_asked_before_logout_does_not_disturb_what_is_asked_after_it', async () => {
  const machine = new Machine();
  machine.answer = ({ url }) => (url.endsWith('/logout') ? problem(404) : machine.wait(1000).then(() => token()));
  const ours = source(machine.tab({ lacks: ['locks'] }));
  const old = ours.getToken();
  await machine.advance(500);
  ours.logout();
  const next = ours.getToken({ force: true });
  await machine.advance(600);
  assert.equal(ours.current(), null, 'the first answer is here, and dropped');
  const given = await running(machine, Promise.all([old, next, ours.getToken()]), 600);
  assert.equal(new Set(given).size, 1);
  assert.equal(machine.asked().length, 2);
});

test('a_forced_call_after_logout_begins_anew_in_this_tab_alone', async () => {
  const machine = new Machine();
  const [a, b] = [source(machine.tab()), source(machine.tab())];
  await running(machine, Promise.all([a.getToken(), b.getToken()]), 200);
  await running(machine, a.logout(), 10);
  await running(machine, a.getToken({ force: true }), 100);
  assert.ok(a.current());
  assert.equal(b.current(), null);
});

test('logout_takes_a_missing_route_for_an_answer_and_reports_an_outage', async () => {
  const machine = new Machine();
  const ours = source(machine.tab());
  machine.answer = () => problem(404, 'not_found');
  await running(machine, ours.logout(), 10);
  machine.answer = () => new TypeError('Failed to fetch');
  assert.equal((await running(machine, refused(ours.logout()), 10)).code, 'unreachable');
  assert.equal(ours.current(), null);
  const { method, keepalive, url } = machine.requests.at(-1);
  assert.deepEqual([method, keepalive, url], ['POST', true, `${BASE}/logout`]);
});

test('a_revoked_session_stops_renewal_and_withdraws_the_token', async () => {
  const machine = new Machine();
  const ours = source(machine.tab());
  const events = heard(ours);
  await machine.advance(100);
  machine.answer = () => problem(401, 'login_required');
  await machine.advance(490_000);
  assert.equal(ours.current(), null, 'although it would have lived on');
  await machine.advance(60 * MINUTE);
  assert.equal(machine.requests.length, 2);
  assert.deepEqual(types(events), ['token', 'login_required']);
  assert.equal(events[1].withdrawn, true);
});

test('a_page_out_of_the_back_forward_cache_asks_who_is_there_now', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const ours = source(page);
  const events = heard(ours);
  await machine.advance(100);
  machine.answer = () => problem(401, 'login_required');
  page.fire('pageshow', { persisted: true });
  assert.equal(ours.current(), null);
  await machine.advance(100);
  assert.deepEqual(types(events), ['token', 'login_required']);
});

test('a_page_cached_in_the_middle_of_a_request_asks_again', async () => {
  const machine = new Machine();
  const page = machine.tab({ lacks: ['locks'] });
  machine.answer = () => machine.wait(500).then(() => token());
  const ours = source(page);
  const call = ours.getToken();
  await machine.advance(100);
  page.fire('pageshow', { persisted: true });
  const given = await running(machine, call, 2000);
  assert.equal(machine.requests.length, 2);
  assert.equal(ours.current().token, given);
});

// --- time

test('a_token_is_renewed_before_it_expires', async () => {
  const machine = new Machine();
  const ours = source(machine.tab());
  heard(ours);
  await machine.advance(479_000);
  assert.equal(machine.requests.length, 1);
  await machine.advance(2_000);
  assert.equal(machine.requests.length, 2);
});

test('renewal_is_spread_by_ten_percent_either_way', async () => {
  for (const [random, due] of [[0, 432_000], [0.999999, 528_000]]) {
    const machine = new Machine();
    heard(source(machine.tab({ random })));
    await machine.advance(due - 2000);
    assert.equal(machine.requests.length, 1);
    await machine.advance(4000);
    assert.equal(machine.requests.length, 2);
  }
});

test('the_server_may_ask_for_an_earlier_renewal_but_never_a_later_one', async () => {
  for (const [refresh_in, due] of [[120, 120_000], [599, 480_000]]) {
    const machine = new Machine();
    machine.answer = () => token({ refresh_in });
    heard(source(machine.tab()));
    await machine.advance(due - 2000);
    assert.equal(machine.requests.length, 1);
    await machine.advance(4000);
    assert.equal(machine.requests.length, 2);
  }
});

test('a_token_of_a_few_seconds_does_not_make_a_storm', async () => {
  const machine = new Machine();
  machine.answer = () => token({ expires_in: 0.01 });
  heard(source(machine.tab()));
  await machine.advance(20_000);
  assert.ok(machine.requests.length <= 21, `${machine.requests.length} requests in 20 s`);
});

test('a_token_that_arrives_expired_is_an_error_and_not_a_loop', async () => {
  const machine = new Machine();
  machine.answer = () => machine.wait(3000).then(() => token({ expires_in: 2 }));
  const error = await running(machine, refused(source(machine.tab()).getToken()), 2 * MINUTE);
  assert.equal(error.code, 'timeout');
  assert.equal(machine.requests.length, 5);
});

// J-6.
test('life_is_counted_from_the_asking', async () => {
  const machine = new Machine();
  machine.answer = () => machine.wait(9000).then(() => token({ expires_in: 20 }));
  const ours = source(machine.tab());
  await running(machine, ours.getToken(), 9000);
  await machine.advance(10_900);
  assert.ok(ours.current());
  await machine.advance(200);
  assert.equal(ours.current(), null);
});

test('a_token_of_a_year_overflows_no_timer', async () => {
  const machine = new Machine();
  machine.answer = () => token({ expires_in: 366 * 86_400 });
  heard(source(machine.tab()));
  await machine.advance(60 * MINUTE);
  assert.equal(machine.requests.length, 1);
});

test('an_expired_token_is_never_handed_out', async () => {
  const machine = new Machine();
  const ours = source(machine.tab());
  const first = await running(machine, ours.getToken(), 50);
  await machine.advance(600_000);
  assert.equal(ours.current(), null);
  assert.notEqual(await running(machine, ours.getToken(), 50), first);
});

// J-4.
test('inside_the_margin_the_old_token_comes_at_once_and_the_new_one_follows', async () => {
  const machine = new Machine();
  const ours = source(machine.tab());
  const first = await running(machine, ours.getToken(), 50);
  await machine.advance(550_000);
  assert.equal(await ours.getToken(), first);
  await machine.advance(50);
  assert.equal(machine.requests.length, 2);
  assert.notEqual(await ours.getToken(), first);
});

test('nothing_is_renewed_for_nobody', async () => {
  const machine = new Machine();
  const ours = source(machine.tab());
  await running(machine, ours.getToken(), 50);
  const off = ours.subscribe(() => {});
  off();
  await machine.advance(60 * MINUTE);
  assert.equal(machine.requests.length, 1);
});

test('a_laptop_that_slept_has_a_fresh_token_soon_after_waking', async () => {
  const machine = new Machine();
  const ours = source(machine.tab());
  heard(ours);
  const first = await running(machine, ours.getToken(), 50);
  machine.sleep(60 * MINUTE);
  assert.equal(ours.current(), null);
  await machine.advance(30_000);
  assert.ok(ours.current());
  assert.notEqual(ours.current().token, first);
});

test('coming_online_after_sleep_does_not_wait_for_the_next_tick', async () => {
  const machine = new Machine();
  const page = machine.tab();
  heard(source(page));
  await machine.advance(50);
  machine.sleep(60 * MINUTE);
  page.fire('online');
  await machine.advance(50);
  assert.equal(machine.requests.length, 2);
});

test('a_clock_set_back_does_not_prolong_a_token', async () => {
  const machine = new Machine();
  const ours = source(machine.tab());
  await running(machine, ours.getToken(), 50);
  machine.sleep(-120 * MINUTE);
  await machine.advance(601_000);
  assert.equal(ours.current(), null);
});

test('a_clock_set_back_does_not_make_new_answers_look_old', async () => {
  const machine = new Machine();
  const ours = source(machine.tab());
  const first = await running(machine, ours.getToken(), 50);
  machine.sleep(-120 * MINUTE);
  const second = await running(machine, ours.getToken({ force: true }), 50);
  assert.notEqual(second, first);
  assert.equal(ours.current().token, second);
});

test('a_wrong_local_date_changes_nothing', async () => {
  const machine = new Machine();
  machine.answer = () => token({ expires_at: 12345 });
  machine.clock.wall = Date.UTC(1999, 0, 1);
  const ours = source(machine.tab());
  await running(machine, ours.getToken(), 50);
  await machine.advance(590_000);
  assert.ok(ours.current());
});

test('a_hidden_tab_asks_nothing_until_it_is_seen', async () => {
  const machine = new Machine();
  const page = machine.tab();
  heard(source(page));
  await machine.advance(50);
  page.show(false);
  await machine.advance(60 * MINUTE);
  assert.equal(machine.requests.length, 1);
  assert.equal(page.timers().length, 0);
  page.show(true);
  await machine.advance(50);
  assert.equal(machine.requests.length, 2);
});

test('a_conversation_is_kept_alive_in_a_hidden_tab', async () => {
  const machine = new Machine();
  machine.answer = ({ url }) => (url.includes('/refresh/')
    ? json({ connectorToken: 'newer', renewal: 'newer', conversationId: 'c1', expires_in: 3600 })
    : conversation('c1'));
  const page = machine.tab();
  heard(source(page));
  await machine.advance(50);
  page.show(false);
  await machine.advance(50 * MINUTE);
  assert.equal(machine.asked('/token').length, 1);
  assert.equal(machine.asked('/refresh').length, 1);
  assert.deepEqual(JSON.parse(machine.asked('/refresh')[0].body), { connectorToken: 'connector-c1', renewal: 'renewal-c1' });
});

test('a_spent_proof_is_not_handed_out_again', async () => {
  const machine = new Machine();
  machine.answer = ({ url }, n) => (url.includes('/refresh/')
    ? json({ connectorToken: 'newer', renewal: 'newer', expires_in: 3600 })
    : conversation(`c${n}`));
  const ours = source(machine.tab());
  heard(ours);
  const first = await running(machine, ours.getToken(), 50);
  await machine.advance(50 * MINUTE);
  assert.equal(ours.current().token, undefined);
  assert.equal(ours.current().connectorToken, 'newer');
  assert.notEqual(await running(machine, ours.getToken(), 50), first);
});

test('a_forced_call_during_a_renewal_gets_a_proof_all_the_same', async () => {
  const machine = new Machine();
  machine.answer = ({ url }, n) => machine.wait(500).then(() => (url.includes('/refresh/')
    ? json({ connectorToken: 'newer', renewal: 'newer', expires_in: 3600 })
    : conversation(`c${n}`)));
  const page = machine.tab();
  const ours = source(page);
  heard(ours);
  while (!machine.asked('/refresh').length) await machine.advance(100);
  assert.match(await running(machine, ours.getToken({ force: true }), 2000), /^header/);
});

test('a_renewed_conversation_lives_as_long_as_its_renewal_says', async () => {
  const machine = new Machine();
  machine.answer = ({ url }) => (url.includes('/refresh/')
    ? json({ connectorToken: 'newer', renewal: 'newer', expires_in: 1200 })
    : conversation('c1'));
  heard(source(machine.tab()));
  await machine.advance(49 * MINUTE);
  assert.equal(machine.asked('/refresh').length, 1);
  await machine.advance(17 * MINUTE);
  assert.equal(machine.asked('/refresh').length, 2);
});

test('a_conversation_that_cannot_be_renewed_is_left_to_its_client', async () => {
  const machine = new Machine();
  machine.answer = () => conversation('c1', { renewal: undefined });
  heard(source(machine.tab()));
  await machine.advance(120 * MINUTE);
  assert.equal(machine.requests.length, 1);
});

// --- trouble

test('a_lost_connection_is_tried_again_and_then_heals', async () => {
  const machine = new Machine();
  machine.answer = (_, n) => (n < 3 ? new TypeError('Failed to fetch') : token());
  assert.ok(await running(machine, source(machine.tab()).getToken(), 10_000));
  assert.equal(machine.requests.length, 3);
});

// J-5.
test('only_answers_that_may_heal_are_tried_again', async () => {
  for (const status of [408, 425, 429, 500, 502, 503, 504]) {
    const machine = new Machine();
    machine.answer = (_, n) => (n < 2 ? problem(status) : token());
    await running(machine, source(machine.tab()).getToken(), 5000);
    assert.equal(machine.requests.length, 2, `${status}`);
  }
  for (const status of [400, 401, 403, 404, 405, 410, 422]) {
    const machine = new Machine();
    machine.answer = () => problem(status, 'its_stable_code');
    const ours = source(machine.tab());
    const error = await running(machine, refused(ours.getToken()), 5000);
    assert.deepEqual([error.code, error.status, error.retryable], ['its_stable_code', status, false]);
    assert.equal(await refused(ours.getToken()), error);
    assert.equal(machine.requests.length, 1, `${status}`);
  }
});

test('pauses_between_attempts_grow_and_stay_between_half_a_second_and_thirty', async () => {
  for (const random of [0, 0.5, 0.999999]) {
    const machine = new Machine();
    const at = [];
    machine.answer = () => (at.push(machine.clock.mono), problem(503));
    await running(machine, refused(source(machine.tab({ random })).getToken()), 2 * MINUTE);
    const gaps = at.slice(1).map((time, i) => time - at[i]);
    assert.equal(gaps.length, 4);
    assert.ok(gaps.every((gap) => gap >= 500 && gap <= 30_000), `${gaps}`);
    assert.ok(gaps.every((gap, i) => i === 0 || gap >= gaps[i - 1]), `${gaps}`);
  }
});

test('after_repeated_failure_the_server_is_left_alone_for_a_minute', async () => {
  const machine = new Machine();
  machine.answer = () => problem(503, 'upstream_unavailable');
  const ours = source(machine.tab());
  const events = heard(ours);
  await machine.advance(40_000);
  assert.equal(machine.requests.length, 5);
  assert.equal(events[0].error.code, 'upstream_unavailable');
  assert.equal((await refused(ours.getToken())).code, 'upstream_unavailable');
  assert.equal(machine.requests.length, 5);
  machine.answer = () => token();
  await machine.advance(60_000);
  assert.equal(machine.requests.length, 6);
  assert.ok(ours.current());
});

test('an_outage_does_not_take_away_a_token_that_still_lives', async () => {
  const machine = new Machine();
  const ours = source(machine.tab());
  heard(ours);
  const first = await running(machine, ours.getToken(), 50);
  machine.answer = () => problem(503);
  await machine.advance(530_000);
  const asked = machine.requests.length;
  for (let i = 0; i < 20; i++) assert.equal(await ours.getToken(), first);
  await machine.advance(100);
  assert.equal(machine.requests.length, asked, 'nor does asking for it disturb the cool-down');
});

test('retry_after_is_honoured_in_seconds_and_as_a_date', async () => {
  const seconds = () => ({ 'Retry-After': '7' });
  const date = (clock) => ({ 'Retry-After': new Date(clock.wall + 7000).toUTCString() });
  const skewed = (clock) => ({
    'Retry-After': new Date(clock.wall + 3_600_000 + 7000).toUTCString(),
    Date: new Date(clock.wall + 3_600_000).toUTCString(),
  });
  for (const headers of [seconds, date, skewed]) {
    const machine = new Machine();
    machine.answer = (_, n) => (n === 1 ? problem(429, 'rate_limited', headers(machine.clock)) : token());
    const call = source(machine.tab({ random: 0 })).getToken();
    await machine.advance(5900);
    assert.equal(machine.requests.length, 1);
    assert.ok(await running(machine, call, 2000));
  }
});

test('a_long_retry_after_is_an_error_now_and_not_even_force_cuts_it_short', async () => {
  const machine = new Machine();
  machine.answer = () => problem(429, 'rate_limited', { 'Retry-After': '300' });
  const page = machine.tab();
  const ours = source(page);
  const error = await running(machine, refused(ours.getToken()), 50);
  assert.deepEqual([error.code, error.retryable, error.retryAfter], ['rate_limited', true, 300_000]);
  page.fire('online');
  assert.equal(await refused(ours.getToken()), error);
  assert.equal(await refused(ours.getToken({ force: true })), error);
  machine.answer = () => token();
  await machine.advance(300_000);
  assert.ok(await running(machine, ours.getToken(), 50));
  assert.equal(machine.requests.length, 2);
});

test('force_leaves_a_terminal_state', async () => {
  const machine = new Machine();
  machine.answer = () => problem(403, 'forbidden');
  const ours = source(machine.tab());
  await running(machine, refused(ours.getToken()), 50);
  machine.answer = () => token();
  assert.ok(await running(machine, ours.getToken({ force: true }), 50));
});

test('who_logs_in_elsewhere_and_comes_back_is_served', async () => {
  const refusals = [() => problem(401, 'login_required'), () => problem(403), () => new Response('<html>Log in</html>')];
  for (const answer of refusals) {
    const machine = new Machine();
    const page = machine.tab();
    machine.answer = answer;
    const events = heard(source(page));
    await machine.advance(60 * MINUTE);
    assert.equal(machine.requests.length, 1);
    page.show(false);
    machine.answer = () => token();
    page.show(true);
    await machine.advance(50);
    assert.deepEqual(types(events).slice(1), ['token']);
  }
});

test('loading_the_page_asks_once_even_when_nobody_is_logged_in', async () => {
  const machine = new Machine();
  const page = machine.tab();
  machine.answer = () => problem(401, 'login_required');
  heard(source(page));
  await machine.advance(50);
  page.fire('pageshow', { persisted: false });
  await machine.advance(50);
  assert.equal(machine.requests.length, 1);
});

test('looking_at_the_page_does_not_end_the_cool_down_of_a_struggling_server', async () => {
  const machine = new Machine();
  const page = machine.tab();
  machine.answer = () => problem(503);
  heard(source(page));
  await machine.advance(40_000);
  page.show(false);
  page.show(true);
  await machine.advance(1000);
  assert.equal(machine.requests.length, 5);
});

test('coming_online_ends_the_cool_down_of_a_lost_connection', async () => {
  const machine = new Machine();
  const page = machine.tab();
  machine.answer = () => new TypeError('Failed to fetch');
  heard(source(page));
  await machine.advance(40_000);
  machine.answer = () => token();
  page.fire('online');
  await machine.advance(50);
  assert.equal(machine.requests.length, 6);
});

// J-8.
test('every_broken_answer_is_told_apart_and_explained', async () => {
  const text = (body, status = 200) => () => new Response(body, { status });
  const table = [
    ['empty_answer', text('')],
    ['empty_answer', text(' \n')],
    ['html_answer', text('<!doctype html><title>Log in</title>')],
    ['not_a_token', text('null')],
    ['not_a_token', text('undefined')],
    ['not_a_token', text('"null"')],
    ['not_a_token', text('{"token":null,"expires_in":60}')],
    ['not_a_token', text('{"token":"undefined","expires_in":60}')],
    ['not_a_token', text('{"token":" ","expires_in":60}')],
    ['oversized_answer', text(JSON.stringify({ token: 'x'.repeat(70_000), expires_in: 60 }))],
    ['unexpected_answer', text('eyJhbGciOi.J9.bare')],
    ['unexpected_answer', text('{"expires_in":60}')],
    ['unexpected_answer', text('{"token":{"a":1},"expires_in":60}')],
    ['unexpected_answer', text('{"token":"t"}')],
    ['unexpected_answer', text('{"token":"t","expires_in":"soon"}')],
    ['unexpected_answer', text('{"token":"t","expires_in":0}')],
    ['unexpected_answer', text('{"token":"t","expires_in":-5}')],
    ['upstream_unavailable', text('<html>Bad gateway</html>', 502)],
    ['login_required', text('<html>Log in</html>', 401)],
    ['forbidden', text('', 403)],
    ['not_found', text('nothing here', 404)],
    ['bad_request', text('null', 400)],
    ['rate_limited', text('[]', 429)],
    ['unreachable', () => new TypeError('Failed to fetch')],
    ['timeout', () => new Promise(() => {})],
  ];
  const explained = new Set();
  for (const [code, answer] of table) {
    const machine = new Machine();
    machine.answer = answer;
    const error = await running(machine, refused(source(machine.tab()).getToken()), 5 * MINUTE);
    assert.equal(error.code, code);
    assert.equal(error.name, 'CountersignError');
    assert.ok(error.message.length > 10, code);
    explained.add(error.message);
  }
  assert.equal(explained.size, new Set(table.map(([code]) => code)).size);
});

// J-9.
test('being_offline_is_told_apart_from_a_dead_server', async () => {
  const machine = new Machine();
  const page = machine.tab();
  page.navigator.onLine = false;
  machine.answer = () => new TypeError('Failed to fetch');
  const error = await running(machine, refused(source(page).getToken()), 2 * MINUTE);
  assert.deepEqual([error.code, error.retryable], ['offline', true]);
});

test('a_browser_that_wrongly_believes_itself_offline_is_served', async () => {
  const machine = new Machine();
  const page = machine.tab();
  page.navigator.onLine = false;
  assert.ok(await running(machine, source(page).getToken(), 50));
});

test('a_hanging_server_is_given_up_after_ten_seconds', async () => {
  const machine = new Machine();
  machine.answer = (_, n) => (n === 1 ? new Promise(() => {}) : token());
  const call = source(machine.tab({ random: 0 })).getToken();
  await machine.advance(9900);
  assert.equal(machine.requests.length, 1);
  assert.ok(await running(machine, call, 2000));
});

// J-9.
test('the_login_address_comes_from_configuration_and_never_from_an_answer', async () => {
  const machine = new Machine();
  const evil = 'https://evil.example/';
  machine.answer = () => problem(401, 'login_required', {}, { login_url: evil, loginUrl: evil });
  const events = heard(source(machine.tab(), { loginUrl: '/members/login' }));
  await machine.advance(50);
  assert.equal(events[0].loginUrl, '/members/login');
  assert.doesNotMatch(JSON.stringify([events, events[0].error.message]), /evil/);
});

test('a_listener_that_throws_stops_nobody_else', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const ours = source(page);
  ours.subscribe(() => { throw new Error('a mistake in the page'); });
  const events = heard(ours);
  await machine.advance(50);
  assert.deepEqual(types(events), ['token']);
  assert.equal(page.reported[0].message, 'a mistake in the page');
});

// --- the request itself

// J-11.
test('the_request_cannot_be_cached_redirected_or_forged_by_a_form', async () => {
  const machine = new Machine();
  await running(machine, source(machine.tab()).getToken(), 50);
  const { url, method, headers, body, cache, redirect, credentials } = machine.requests[0];
  assert.deepEqual({ url, method, body, cache, redirect, credentials }, {
    url: `${BASE}/token/support`,
    method: 'POST',
    body: undefined,
    cache: 'no-store',
    redirect: 'error',
    credentials: 'same-origin',
  });
  assert.deepEqual(headers, { Accept: 'application/json', 'X-Requested-By': 'countersign' });
});

test('cookies_go_to_another_origin_only_when_it_is_listed', async () => {
  const machine = new Machine();
  const sent = async (crossOrigin, base = 'https://id.example') => {
    await running(machine, source(machine.tab(), { base, crossOrigin }).getToken(), 50);
    return machine.requests.at(-1).credentials;
  };
  assert.equal(await sent(['https://id.example']), 'include');
  assert.equal(await sent(['https://id.example/']), 'include');
  assert.equal(await sent([]), 'same-origin');
  assert.equal(await sent(['https://id.example.evil.example', 'https://example', 'http://id.example']), 'same-origin');
  assert.equal(await sent(['https://id.example'], 'https://id.example:8443'), 'same-origin');
});

test('context_travels_as_json_and_headers_may_be_made_on_demand', async () => {
  const machine = new Machine();
  const headers = async () => ({ Authorization: 'Bearer fresh', 'X-Requested-By': 'somebody' });
  await running(machine, source(machine.tab(), { headers, context: { room: 7 } }).getToken(), 50);
  const sent = machine.requests[0];
  assert.equal(sent.body, '{"room":7}');
  assert.equal(sent.headers['Content-Type'], 'application/json');
  assert.equal(sent.headers.Authorization, 'Bearer fresh');
  assert.equal(sent.headers['X-Requested-By'], 'countersign');
});

test('a_token_that_goes_by_another_name_is_found', async () => {
  const machine = new Machine();
  machine.answer = () => json({ jwt: 'a.b.c', expires_in: 600 });
  const ours = source(machine.tab(), { field: 'jwt' });
  assert.equal(await running(machine, ours.getToken(), 50), 'a.b.c');
  assert.equal(ours.current().token, 'a.b.c');
  assert.equal((await running(machine, refused(source(machine.tab()).getToken()), 50)).code, 'unexpected_answer');
});

test('addresses_follow_from_whichever_of_base_and_url_is_given', async () => {
  const table = [
    [{ base: '/identity' }, '/identity/token', '/identity/session'],
    [{ base: '/identity/', widget: 'a b' }, '/identity/token/a%20b', '/identity/session'],
    [{ base: 'https://id.example' }, 'https://id.example/token', 'https://id.example/session'],
    [{ url: '/identity/token' }, '/identity/token', '/identity/session'],
    [{ url: '/identity/token/clinic' }, '/identity/token/clinic', '/identity/session'],
    [{ url: '/token' }, '/token', '/session'],
    [{ url: '/api/chat?x=1' }, '/api/chat?x=1', '/api/session'],
    [{ url: '/api/chat', base: '/identity' }, '/api/chat', '/identity/session'],
  ];
  for (const [options, url, session] of table) {
    const machine = new Machine();
    const ours = createTokenSource({ ...options, env: machine.tab() });
    await running(machine, ours.getToken(), 50);
    await running(machine, ours.session(), 50);
    const asked = machine.requests.map((request) => request.url.replace('https://clinic.example', ''));
    assert.deepEqual(asked, [url, session]);
  }
});

// J-1.
test('an_sdk_may_pass_what_it_likes_to_the_token_provider', async () => {
  const machine = new Machine();
  const { tokenProvider } = source(machine.tab());
  const first = await running(machine, tokenProvider({ force: true }), 50);
  assert.equal(await tokenProvider({ force: true }), first);
});

test('the_answer_cannot_be_altered_by_the_page', async () => {
  const machine = new Machine();
  const ours = source(machine.tab());
  await running(machine, ours.getToken(), 50);
  assert.throws(() => { ours.current().token = 'another'; }, TypeError);
});

test('a_stopped_source_leaves_nothing_running', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const ours = source(page);
  const events = heard(ours);
  await machine.advance(50);
  ours.stop();
  page.show(true);
  page.fire('online');
  await machine.advance(60 * MINUTE);
  assert.equal(machine.requests.length, 1);
  assert.equal(page.timers().length, 0);
  assert.equal(machine.channels.size, 0);
  assert.deepEqual(types(events), ['token']);
  assert.equal(ours.current(), null);
  assert.equal((await refused(ours.getToken())).code, 'stopped');
});

test('a_stopped_source_drops_the_answer_it_waited_for', async () => {
  const machine = new Machine();
  machine.answer = () => machine.wait(500).then(() => token());
  const ours = source(machine.tab());
  const call = refused(ours.getToken());
  await machine.advance(100);
  ours.stop();
  assert.equal((await running(machine, call, 1000)).code, 'stopped');
});

// --- login

const popupSays = (page, { origin = 'https://clinic.example', from = page.popup, ok = true } = {}) =>
  page.fire('message', { origin, source: from, data: { type: 'countersign:login', ok } });

// The login window's last page speaks on the channel of its origin, to every tab.
const windowSays = (machine) =>
  machine.channels.forEach((channel) => channel.hear({ type: 'countersign:login', ok: true }));

const closes = (page) => Object.assign(page.popup, { closed: true });

// Everybody is let in from now on.
const admits = (machine) => {
  machine.answer = ({ url }) => (url.endsWith('/session') ? json({ logged_in: true, name: 'Ann' }) : token());
};

// Nobody is logged in, and there is a login.
const offers = (machine) => {
  machine.answer = ({ url }) =>
    url.endsWith('/session') ? json({ logged_in: false, login_url: '/identity/login' }) : problem(401, 'login_required');
};

// login(), until its window is open.
async function opening(machine, of) {
  const call = of.login();
  call.catch(() => {});
  await machine.advance(0);
  return { call };
}

test('login_opens_the_popup_and_serves_every_tab_afterwards', async () => {
  const machine = new Machine();
  const pages = [machine.tab(), machine.tab()];
  offers(machine);
  const [a, b] = pages.map((page) => source(page));
  const [ofA, ofB] = [heard(a), heard(b)];
  await machine.advance(100);
  const { call } = await opening(machine, a);
  admits(machine);
  await machine.advance(1000);
  popupSays(pages[0]);
  assert.equal((await running(machine, call, 300)).name, 'Ann');
  assert.equal(pages[0].opened, `${BASE}/login?popup=1&origin=https://clinic.example`);
  assert.equal(ofA.at(-1).type, 'token');
  assert.equal(ofB.at(-1).type, 'token');
});

test('login_after_logout_serves_both_tabs_again', async () => {
  const machine = new Machine();
  const pages = [machine.tab(), machine.tab()];
  const [a, b] = pages.map((page) => source(page));
  heard(a);
  heard(b);
  await machine.advance(100);
  await running(machine, a.logout(), 10);
  offers(machine);
  const { call } = await opening(machine, a);
  admits(machine);
  popupSays(pages[0]);
  await running(machine, call, 300);
  assert.ok(a.current());
  assert.ok(b.current());
});

test('a_window_that_speaks_to_all_tabs_itself_makes_each_ask_once', async () => {
  const machine = new Machine();
  const pages = [machine.tab(), machine.tab()];
  offers(machine);
  const [a, b] = pages.map((page) => source(page));
  const [ofA, ofB] = [heard(a), heard(b)];
  await machine.advance(100);
  const before = machine.asked('/token').length;
  const { call } = await opening(machine, a);
  admits(machine);
  popupSays(pages[0]);
  windowSays(machine);
  closes(pages[0]);
  await running(machine, call, 300);
  assert.ok(machine.asked('/token').length <= before + pages.length);
  assert.deepEqual([ofA.at(-1).type, ofB.at(-1).type], ['token', 'token']);
});

test('a_popup_cut_off_by_the_identity_provider_is_heard_on_the_channel', async () => {
  const machine = new Machine();
  const page = Object.assign(machine.tab(), { focused: false });
  offers(machine);
  const { call } = await opening(machine, source(page));
  admits(machine);
  closes(page);
  await machine.advance(60_000);
  assert.equal(machine.asked('/session').length, 1, 'somebody is still typing in it');
  windowSays(machine);
  assert.equal((await running(machine, call, 300)).name, 'Ann');
});

test('a_popup_cut_off_by_the_identity_provider_still_counts_when_the_page_has_the_focus_again', async () => {
  const machine = new Machine();
  const page = Object.assign(machine.tab({ lacks: ['channel'] }), { focused: false });
  offers(machine);
  const { call } = await opening(machine, source(page));
  admits(machine);
  closes(page);
  await machine.advance(60_000);
  assert.equal(machine.asked('/session').length, 1);
  page.focused = true;
  assert.equal((await running(machine, call, 300)).logged_in, true);
});

test('a_login_that_is_finished_after_all_still_reaches_the_page', async () => {
  const machine = new Machine();
  const page = machine.tab();
  offers(machine);
  const ours = source(page);
  const events = heard(ours);
  const call = refused((await opening(machine, ours)).call);
  closes(page);
  assert.equal((await running(machine, call, 300)).code, 'login_cancelled');
  admits(machine);
  windowSays(machine);
  await machine.advance(100);
  assert.equal(events.at(-1).type, 'token');
});

test('a_login_that_overtakes_a_logout_of_another_tab_counts', async () => {
  const machine = new Machine();
  admits(machine);
  const [a, b] = [machine.tab(), machine.tab()].map((page) => source(page));
  const events = heard(a);
  await machine.advance(100);
  offers(machine);
  const { call } = await opening(machine, a);
  admits(machine);
  await running(machine, b.logout(), 10);
  assert.equal(events.at(-1).type, 'logout');
  assert.equal((await running(machine, call, 300)).logged_in, true);
  assert.equal(events.at(-1).type, 'token');
});

test('login_believes_only_its_own_popup_at_its_own_origin', async () => {
  const machine = new Machine();
  const page = machine.tab();
  let settled = false;
  offers(machine);
  const { call } = await opening(machine, source(page));
  call.then(() => (settled = true), () => (settled = true));
  popupSays(page, { origin: 'https://evil.example' });
  popupSays(page, { from: { closed: false } });
  page.fire('message', { origin: 'https://clinic.example', source: page.popup, data: 'countersign:login' });
  await machine.advance(5000);
  assert.equal(settled, false);
  assert.equal(machine.asked('/session').length, 1);
});

test('a_login_that_is_over_leaves_no_listener_and_no_timer', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const listening = [];
  page.addEventListener = (type, listener, ...more) => {
    if (type === 'message') listening.push(listener);
    EventTarget.prototype.addEventListener.call(page, type, listener, ...more);
  };
  page.removeEventListener = (type, listener) => listening.splice(listening.indexOf(listener), 1);
  offers(machine);
  const call = refused((await opening(machine, source(page))).call);
  assert.equal(listening.length, 1);
  closes(page);
  await running(machine, call, 300);
  assert.equal(listening.length, 0);
  assert.equal(page.timers().length, 0);
});

test('a_closed_login_window_is_told_apart_from_a_finished_login', async () => {
  const machine = new Machine();
  const page = machine.tab();
  offers(machine);
  const call = refused(source(page).login());
  await machine.advance(5000);
  assert.equal(machine.asked('/session').length, 1);
  closes(page);
  assert.equal((await running(machine, call, 300)).code, 'login_cancelled');
});

test('a_login_that_this_page_cannot_see_is_not_reported_as_done', async () => {
  const machine = new Machine();
  const page = machine.tab();
  offers(machine);
  const call = refused((await opening(machine, source(page))).call);
  popupSays(page);
  closes(page);
  const error = await running(machine, call, 300);
  assert.equal(error.code, 'session_withheld');
  assert.match(error.message, /third-party cookies/);
});

test('a_page_of_another_origin_says_where_it_is_and_tells_its_own_tabs', async () => {
  const machine = new Machine();
  const pages = [machine.tab(), machine.tab()];
  offers(machine);
  const base = 'https://id.example';
  const [a, b] = pages.map((page) => source(page, { base, crossOrigin: [base] }));
  const [ofA, ofB] = [heard(a), heard(b)];
  await machine.advance(100);
  const { call } = await opening(machine, a);
  admits(machine);
  popupSays(pages[0], { origin: base });
  await running(machine, call, 300);
  assert.equal(pages[0].opened, 'https://id.example/login?popup=1&origin=https://clinic.example');
  assert.equal(ofA.at(-1).type, 'token');
  assert.equal(ofB.at(-1).type, 'token');
});

test('a_blocked_popup_says_how_to_open_it', async () => {
  const machine = new Machine();
  const page = machine.tab();
  page.popup = null;
  offers(machine);
  const error = await refused(source(page).login());
  assert.equal(error.code, 'popup_blocked');
  assert.match(error.message, /click/);
});

test('session_tells_who_is_there_without_a_token', async () => {
  const machine = new Machine();
  machine.answer = () => json({ logged_in: true, name: 'Ann', expires_in: 900 });
  assert.equal((await running(machine, source(machine.tab()).session(), 50)).name, 'Ann');
  assert.equal(machine.requests[0].method, 'GET');
});

test('login_without_a_login_says_so_at_once_and_opens_nothing', async () => {
  const machine = new Machine();
  const page = machine.tab();
  machine.answer = () => json({ logged_in: false });
  const error = await running(machine, refused(source(page).login()), 0);
  assert.equal(error.code, 'no_login');
  assert.equal(page.opened, undefined);
});

test('login_of_somebody_who_is_logged_in_already_opens_nothing_and_serves_every_tab', async () => {
  const machine = new Machine();
  const pages = [machine.tab(), machine.tab()];
  offers(machine);
  const [a, b] = pages.map((page) => source(page));
  const events = [heard(a), heard(b)];
  await machine.advance(100);
  admits(machine);
  assert.equal((await running(machine, a.login(), 100)).name, 'Ann');
  assert.equal(pages[0].opened, undefined);
  for (const heardThere of events) assert.equal(heardThere.at(-1).type, 'token');
});

test('an_outage_is_not_taken_for_a_site_without_a_login', async () => {
  const machine = new Machine();
  const page = machine.tab();
  machine.answer = () => problem(503, 'upstream_unavailable');
  assert.equal((await running(machine, refused(source(page).login()), 0)).code, 'upstream_unavailable');
  assert.equal(page.opened, undefined);
});

// --- whoever signs out

test('a_session_that_ended_elsewhere_is_noticed_when_the_page_is_seen_again', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const ours = source(page);
  const events = heard(ours);
  await machine.advance(100);
  page.show(false);
  offers(machine);
  page.show(true);
  await machine.advance(100);
  assert.equal(ours.current(), null);
  assert.deepEqual(types(events), ['token', 'login_required']);
  assert.equal(events[1].withdrawn, true);
});

test('looking_at_the_page_costs_no_token_and_an_outage_then_takes_none_away', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const ours = source(page);
  heard(ours);
  await machine.advance(100);
  for (const answer of [() => json({ logged_in: true }), () => problem(503), () => problem(404), () => new TypeError('lost')]) {
    machine.answer = answer;
    page.show(false);
    page.show(true);
    await machine.advance(100);
    assert.ok(ours.current());
  }
  assert.equal(machine.asked('/token').length, 1);
});

test('an_endpoint_of_the_pages_own_is_not_asked_for_a_session_it_does_not_have', async () => {
  const machine = new Machine();
  const page = machine.tab();
  heard(source(page, { base: undefined, widget: undefined, url: '/api/chat-proof' }));
  await machine.advance(100);
  page.show(false);
  page.show(true);
  await machine.advance(100);
  assert.equal(machine.requests.length, 1);
});

test('a_page_that_finds_nobody_logged_in_takes_the_token_from_every_tab', async () => {
  const machine = new Machine();
  const [a, b] = [source(machine.tab()), source(machine.tab(), { widget: 'clinic' })];
  const events = heard(a);
  heard(b);
  await machine.advance(100);
  offers(machine);
  const after = source(machine.tab());
  heard(after);
  await machine.advance(200);
  assert.deepEqual([a.current(), b.current()], [null, null]);
  assert.deepEqual(types(events), ['token', 'login_required']);
});

test('a_tab_with_headers_of_its_own_speaks_for_itself_alone', async () => {
  const machine = new Machine();
  const ours = source(machine.tab());
  heard(ours);
  await machine.advance(100);
  machine.answer = ({ headers }) => (headers.Authorization ? problem(401, 'login_required') : json({ logged_in: true }));
  heard(source(machine.tab(), { headers: { Authorization: 'Bearer of another' } }));
  await machine.advance(200);
  assert.ok(ours.current());
});

test('the_sites_own_logout_button_needs_one_attribute', async () => {
  const machine = new Machine();
  const pages = [machine.tab(), machine.tab()];
  const [a, b] = pages.map((page) => source(page));
  await running(machine, Promise.all([a.getToken(), b.getToken()]), 100);
  const click = (found) => pages[0].document.dispatchEvent(Object.defineProperty(new Event('click'), 'target', {
    value: { closest: (selector) => (selector === '[data-countersign-logout]' ? found : null) },
  }));
  click(null);
  assert.ok(a.current());
  click({});
  assert.equal(a.current(), null);
  await machine.advance(10);
  assert.equal(b.current(), null);
  assert.deepEqual(machine.asked('/logout').map(({ method, keepalive }) => [method, keepalive]), [['POST', true]]);
});

test('a_logout_button_that_cannot_reach_the_server_is_told', async () => {
  const machine = new Machine();
  const page = machine.tab();
  const ours = source(page);
  const events = heard(ours);
  await machine.advance(100);
  machine.answer = () => problem(503);
  page.document.dispatchEvent(Object.defineProperty(new Event('click'), 'target', { value: { closest: () => ({}) } }));
  await machine.advance(10);
  assert.deepEqual(types(events), ['token', 'logout', 'error']);
  assert.equal(ours.current(), null);
});
