// The vendors' own SDKs from npm run the documented snippets in the demo. The vendor's cloud is intercepted in the browser;
// what the SDK sends there is shown to the demo's stand-in server, which checks it by the vendor's rule.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bundle, packaged, stage, until } from './stage.mjs';

const here = stage();

// The gallery's page with Maya signed in, the vendor's cloud intercepted, and its SDK loaded. No policy: the clouds are not
// listed there.
async function loaded(script, cloud, answer) {
  const page = await (await here.profile({ bypassCSP: true })).newPage();
  await page.route(cloud, (route) => route.fulfill({ status: 404, body: '' }));
  await page.routeWebSocket(cloud, answer);
  await page.goto(`${here.demo.clinic}/vendors`);
  await page.getByRole('button', { name: 'Sign in as Maya Lindgren' }).click();
  await page.getByText('Maya Lindgren is signed in.').waitFor();
  await page.addScriptTag(script);
  return page;
}

const runSnippet = (page, vendor) => page.addScriptTag({ url: `/demo/snippet/${vendor}.js` });

async function believed(vendor, given) {
  const response = await fetch(`${here.demo.widgetServer}/vendors/${vendor}`, { method: 'POST', body: JSON.stringify(given) });
  const answer = await response.json();
  assert.equal(response.status, 200, `${vendor}: ${answer.reason}`);
  return answer.visitor.id;
}

test('streams_own_sdk_connects_with_our_token', async () => {
  let opened = null;
  const script = await bundle("import { StreamChat } from 'stream-chat'; window.StreamChat = StreamChat;");
  const page = await loaded({ content: script }, /stream-io-api\.com/, (socket) => {
    opened = new URL(socket.url()).searchParams;
    const me = { id: 'P20417', role: 'user' };
    socket.send(JSON.stringify({ type: 'health.check', connection_id: 'c-1', me, created_at: new Date().toISOString() }));
  });
  await page.evaluate(() => { window.client = new window.StreamChat('app-key'); });
  await runSnippet(page, 'stream');
  await until('the client is connected', () => page.evaluate(() => window.client.userID === 'P20417' && window.client.wsConnection?.isHealthy));
  const { user_id } = JSON.parse(opened.get('json'));
  assert.equal(await believed('stream', { user_id, token: opened.get('authorization') }), 'P20417');
});

test('pushers_own_sdk_signs_in_with_our_answer', async () => {
  let sent = null;
  const page = await loaded({ path: packaged('pusher-js/dist/web/pusher.min.js') }, /pusher\.com/, (socket) => {
    const say = (event, data) => socket.send(JSON.stringify({ event, data: JSON.stringify(data) }));
    socket.onMessage((text) => {
      const { event, data } = JSON.parse(text);
      if (event !== 'pusher:signin') return;
      sent = data;
      say('pusher:signin_success', { user_data: data.user_data });
    });
    say('pusher:connection_established', { socket_id: '123.456', activity_timeout: 120 });
  });
  await runSnippet(page, 'pusher');
  await until('the user is signed in', () => page.evaluate(() => window.pusher?.user.user_data?.id === 'P20417'));
  assert.equal(await believed('pusher', { ...sent, socket_id: '123.456' }), 'P20417');
});

test('livekits_own_sdk_asks_for_its_room_with_our_token', async () => {
  let token = null;
  const sdk = packaged('livekit-client/dist/livekit-client.umd.js');
  const page = await loaded({ path: sdk }, /livekit\.cloud/, (socket) => {
    token = new URL(socket.url()).searchParams.get('access_token');
    socket.close();
  });
  await page.evaluate(() => { window.room = new window.LivekitClient.Room(); });
  await runSnippet(page, 'livekit');
  await until('the signal connection was opened', () => token !== null);
  assert.equal(await believed('livekit', { token }), 'P20417');
});
