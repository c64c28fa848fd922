// Vendors' adapters, each with a stand-in that writes down how the vendor's script is called.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { connect, createTokenSource } from '../../src/browser/countersign.js';
import { Machine, json } from './page.mjs';

const FOLDER = new URL('../../src/browser/adapters/', import.meta.url);
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.js'));
const named = (name) => new RegExp(`\\b${name}\\b`);

// A function that is called, and any member of it that is.
function recorder(calls, name) {
  const called = (...given) => void calls.push([name, ...given.map((one) => (typeof one === 'function' ? 'callback' : one))]);
  return new Proxy(called, { get: (_, member) => (typeof member === 'string' ? recorder(calls, `${name}.${member}`) : undefined) });
}

// Of each: the member of the window, the answer's own members, options, and the calls of a visitor who comes and goes.
const CASES = {
  chatwoot: ['$chatwoot', { identifier: '1', name: 'J', email: 'e', identifier_hash: 'h' }, {},
    [['$chatwoot.setUser', '1', { name: 'J', email: 'e', identifier_hash: 'h' }], ['$chatwoot.reset']], 'identifier_hash'],
  cometchat: ['CometChat', {}, {}, [['CometChat.login', 'T'], ['CometChat.logout']]],
  crisp: ['$crisp', { email: 'e', signature: 's' }, {},
    [['$crisp.push', ['set', 'user:email', ['e', 's']]], ['$crisp.push', ['do', 'session:reset']]], 'signature'],
  'dynamics-365': ['Microsoft', {}, {}, [['Microsoft.Omnichannel.LiveChatWidget.SDK.setAuthTokenProvider', 'callback'],
    ['Microsoft.Omnichannel.LiveChatWidget.SDK.removeAuthTokenProvider']]],
  featurebase: ['Featurebase', {}, { boot: { appId: 'a' } },
    [['Featurebase', 'boot', { appId: 'a', featurebaseJwt: 'T' }], ['Featurebase', 'shutdown']]],
  front: ['FrontChat', { userId: '1', userHash: 'h', email: 'e' }, { init: { chatId: 'c' } },
    [['FrontChat', 'init', { chatId: 'c', userId: '1', userHash: 'h', email: 'e' }], ['FrontChat', 'shutdown']], 'userHash'],
  gleap: ['Gleap', { userId: '1', name: 'J', email: 'e', userHash: 'h' }, {},
    [['Gleap.identify', '1', { name: 'J', email: 'e' }, 'h'], ['Gleap.clearIdentity']], 'userHash'],
  'help-scout': ['Beacon', { name: 'J', email: 'e', signature: 's' }, {},
    [['Beacon', 'identify', { name: 'J', email: 'e', signature: 's' }], ['Beacon', 'logout']], 'signature'],
  hubspot: ['HubSpotConversations', { email: 'e' }, {},
    [['HubSpotConversations.widget.load'], ['HubSpotConversations.clear', { resetWidget: true }]]],
  intercom: ['Intercom', {}, { boot: { app_id: 'a' } },
    [['Intercom', 'boot', { app_id: 'a', intercom_user_jwt: 'T' }], ['Intercom', 'shutdown']]],
  kustomer: ['Kustomer', {}, {}, [['Kustomer.login', { jwtToken: 'T' }, 'callback'], ['Kustomer.logout']]],
  salesforce: ['embeddedservice_bootstrap', {}, {}, [
    ['embeddedservice_bootstrap.userVerificationAPI.setIdentityToken', { identityTokenType: 'JWT', identityToken: 'T' }],
    ['embeddedservice_bootstrap.userVerificationAPI.clearSession']]],
  sunshine: ['Smooch', { external_id: '1' }, {}, [['Smooch.login', '1', 'T'], ['Smooch.logout']]],
  tawk: ['Tawk_API', { name: 'J', email: 'e', hash: 'h' }, {},
    [['Tawk_API.setAttributes', { name: 'J', email: 'e', hash: 'h' }, 'callback'], ['Tawk_API.logout', 'callback']], 'hash'],
  'zendesk-messaging': ['zE', {}, {}, [['zE', 'messenger', 'loginUser', 'callback', 'callback'], ['zE', 'messenger', 'logoutUser']]],
};

test('every_adapter_calls_its_vendor_as_documented_when_a_visitor_comes_and_goes', async () => {
  assert.deepEqual(Object.keys(CASES).map((name) => `${name}.js`).sort(), files.sort());
  for (const [name, [member, own, options, expected, field]] of Object.entries(CASES)) {
    const { default: adapter } = await import(new URL(`${name}.js`, FOLDER));
    const machine = new Machine();
    machine.answer = () => json({ ...(field ? {} : { token: 'T' }), ...own, expires_in: 600, refresh_in: 480 });
    const page = machine.tab();
    page.addEventListener ??= () => {};
    const calls = [];
    const source = createTokenSource({ base: 'https://clinic.example/identity', env: page, widget: name, ...(field && { field }) });
    connect(source, adapter, { ...options, onError: (error) => calls.push(error) });
    await machine.advance(500);
    if (member !== '$crisp') assert.deepEqual(calls, [], `${name} waits for the vendor's script`);
    page[member] ??= recorder(calls, member);
    if (Array.isArray(page[member])) calls.push(...page[member].map((given) => [`${member}.push`, given]));
    if (Array.isArray(page[member])) page[member] = recorder(calls, member);
    await machine.advance(2000);
    source.logout();
    await machine.advance(100);
    assert.deepEqual(calls, expected, name);
  }
});

test('an_adapter_is_small_and_stands_alone', () => {
  for (const file of files) {
    const text = readFileSync(new URL(file, FOLDER), 'utf8');
    assert.ok(gzipSync(text).length < 700, file);
    assert.doesNotMatch(text, named('import'), file);
    assert.match(text, /^\/\/ .*\n[^]*export default \{\n[^]*\};\n$/, file);
  }
});

test('an_adapter_that_hands_over_a_provider_gives_live_tokens', async () => {
  for (const [name, at] of [['zendesk-messaging', 2], ['dynamics-365', 0]]) {
    const { default: adapter } = await import(new URL(`${name}.js`, FOLDER));
    let provider;
    const take = (...given) => { provider ??= given[at]; };
    const window = { zE: take, Microsoft: { Omnichannel: { LiveChatWidget: { SDK: { setAuthTokenProvider: take } } } } };
    adapter.token({}, { window, source: { getToken: async () => 'live' } });
    assert.equal(await new Promise((give) => { provider(give); }), 'live', name);
  }
});
