// Each vendor's own package beside countersign: the same values made, our tokens verified, the same requests sent.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { check, finish, held } from '../shared/checks.mjs';

const { NPM_HOME, PROOF, PUBLIC, VENDOR_PORT, KNOCK_KEY } = process.env;
const require = createRequire(`${NPM_HOME}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const VENDOR = `http://127.0.0.1:${VENDOR_PORT}`;

// A server that writes down what it is asked, and gives every vendor's token.
const asked = [];
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => { body += chunk; });
  request.on('end', () => {
    asked.push({ method: request.method, path: request.url, headers: request.headers, body: body && JSON.parse(body) });
    const later = Date.now() + 3_600_000;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ token: 'vendor-token', expires_at: later, signed_url: 'wss://agent.example/signed',
      data: { authToken: 'vendor-token' } }));
  });
});
await new Promise((resolve) => { server.listen(Number(VENDOR_PORT), '127.0.0.1', resolve); });

const ask = async (widget, query = '') => {
  const answer = await fetch(`${PUBLIC}/token/${widget}${query}`, { method: 'POST', headers: {
    'Sec-Fetch-Site': 'same-origin', 'X-Countersign-Proof': PROOF, 'X-Forwarded-User': 'jlahey',
    'X-Forwarded-Email': 'jim@example.org', 'X-Forwarded-Preferred-Username': 'Jim Lahey' } });
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.json();
};
const part = (token, index) => JSON.parse(Buffer.from(token.split('.')[index], 'base64url'));
const shape = (value) => (value && typeof value === 'object'
  ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([n, v]) => [n, shape(v)]))
  : value);

// What a call sends, as far as it is the vendor's business.
const sent = async (header, call) => {
  const before = asked.length;
  await call();
  assert.ok(asked.length > before, 'nothing was sent');
  const { method, path, headers, body } = asked.at(-1);
  return { method, path, credential: headers[header], body };
};
const alike = async (header, theirs, ours, body = (value) => value) => {
  const [expected, found] = [await sent(header, theirs), await sent(header, ours)];
  assert.deepEqual({ ...found, body: body(found.body) }, { ...expected, body: body(expected.body) });
};

await check("'stream': a token is byte for byte what the vendor's library makes", async () => {
  const { StreamChat } = require('stream-chat');
  const { token } = await ask('stream');
  const { exp, iat } = part(token, 1);
  const theirs = new StreamChat('key', 'stream-secret-of-forty-characters-012345').createToken('jlahey', exp, iat);
  assert.equal(token, theirs);
});

await check("'livekit': the vendor's verifier takes a token, and none of another key or issuer", async () => {
  const { TokenVerifier } = require('livekit-server-sdk');
  const secret = 'livekit-secret-of-forty-characters-01234';
  const { token } = await ask('livekit');
  const claims = await new TokenVerifier('APIabc', secret).verify(token);
  assert.deepEqual([claims.sub, claims.video.room, claims.video.roomJoin], ['jlahey', 'support-jlahey', true]);
  await assert.rejects(() => new TokenVerifier('APIother', secret).verify(token));
  await assert.rejects(() => new TokenVerifier('APIabc', `${secret}x`).verify(token));
});

await check("'twilio': header and claims are those of the vendor's library", async () => {
  const { AccessToken } = require('twilio').jwt;
  const theirs = new AccessToken('AC1', 'SK1', 'twilio-secret-of-forty-characters-012345', { identity: 'jlahey', ttl: 3600 });
  theirs.addGrant(new AccessToken.ChatGrant({ serviceSid: 'IS1' }));
  const jwt = theirs.toJwt();
  const { token } = await ask('twilio');
  const timeless = ({ iat, exp, jti, ...rest }) => shape({ ...rest, jti: jti.replace(/\d+$/, ''), times: [typeof iat, typeof exp] });
  assert.deepEqual(shape(part(token, 0)), shape(part(jwt, 0)));
  assert.deepEqual(timeless(part(token, 1)), timeless(part(jwt, 1)));
});

await check("'knock': claims are those of the vendor's signer, and the signature holds", async () => {
  const { signUserToken } = require('@knocklabs/node/lib/tokenSigner');
  const key = readFileSync(KNOCK_KEY, 'utf8');
  const theirs = await signUserToken('jlahey', { signingKey: key, expiresInSeconds: 1800 });
  const { token } = await ask('knock');
  assert.deepEqual(Object.keys(part(token, 1)).sort(), Object.keys(part(theirs, 1)).sort());
  assert.equal(part(token, 1).sub, part(theirs, 1).sub);
  const [head, payload, signature] = token.split('.');
  const bytes = Buffer.from(`${head}.${payload}`);
  assert.ok(verify('sha256', bytes, createPublicKey(key), Buffer.from(signature, 'base64url')));
});

await check("'pusher': the answer is what the vendor's library answers", async () => {
  const Pusher = require('pusher');
  const vendor = (secret) => new Pusher({ appId: '1', key: '278d425bdf160c739803', secret, cluster: 'eu' });
  const user = { id: 'jlahey', user_info: { name: 'Jim Lahey' } };
  assert.deepEqual(await ask('pusher', '?socket_id=12.34'), vendor('7ad3773142a6692b25b8').authenticateUser('12.34', user));
  const channel = vendor('7ad3773142a6692b25b9').authorizeChannel('12.34', 'private-user-jlahey');
  assert.deepEqual(await ask('pusher-channel', '?socket_id=12.34'), channel, "'pusher-channel'");
});

await check("'ably-token-request': the request is what the vendor's library signs", async () => {
  const Ably = require('ably');
  const ours = await ask('ably-token-request');
  const { mac, keyName, ...fields } = ours;
  const vendor = new Ably.Rest({ key: 'app.key:ably-secret-of-forty-characters-01234567' });
  const theirs = await vendor.auth.createTokenRequest(fields);
  assert.deepEqual(shape(ours), shape({ ...theirs }));
});

await check("'hubspot': the vendor's client and countersign send the same", async () => {
  const { Client } = require('@hubspot/api-client');
  const client = new Client({ accessToken: 'sk_hubspot-key-0123456789', basePath: VENDOR });
  await alike('authorization',
    () => client.conversations.visitorIdentification.generateApi.generateToken({ email: 'jim@example.org' }),
    () => ask('hubspot'));
});

await check("'sendbird': the vendor's client and countersign send the same", async () => {
  const sendbird = require('sendbird-platform-sdk-typescript');
  const configuration = sendbird.createConfiguration({ baseServer: new sendbird.ServerConfiguration(VENDOR, {}) });
  const api = new sendbird.UserApi(configuration);
  const anyEnd = ({ expires_at: end, ...rest }) => ({ ...rest, end: typeof end });
  await alike('api-token',
    () => api.createUserToken('sk_sendbird-key-0123456789', 'jlahey', { expiresAt: Date.now() }),
    () => ask('sendbird'), anyEnd);
});

await check("'liveblocks': the vendor's client and countersign send the same, and the answer is passed on", async () => {
  const { Liveblocks } = require('@liveblocks/node');
  const client = new Liveblocks({ secret: 'sk_liveblocks-key-0123456789', baseUrl: VENDOR });
  const user = { userId: 'jlahey', groupIds: [] };
  await alike('authorization', () => client.identifyUser(user, { userInfo: { name: 'Jim Lahey' } }), () => ask('liveblocks'));
  assert.equal((await ask('liveblocks')).token, 'vendor-token');
});

await check("'elevenlabs': the vendor's client and countersign send the same", async () => {
  const { ElevenLabsClient } = require('@elevenlabs/elevenlabs-js');
  const client = new ElevenLabsClient({ apiKey: 'sk_elevenlabs-key-0123456789', environment: VENDOR });
  await alike('xi-api-key',
    () => client.conversationalAi.conversations.getSignedUrl({ agentId: 'agent_1' }), () => ask('elevenlabs'));
});

await check("'courier': the vendor's client and countersign send the same", async () => {
  const module = await load('@trycourier/courier');
  const Courier = module.Courier ?? module.default;
  const client = new Courier({ apiKey: 'sk_courier-key-0123456789', baseURL: VENDOR });
  const scope = 'user_id:jlahey inbox:read:messages inbox:write:events';
  await alike('authorization', () => client.auth.issueToken({ scope, expires_in: '1 hour' }), () => ask('courier'));
});

// There is no server package of this vendor's: its reference prints a command for each call, which is run here as it stands there
// but for the host and the values in angle brackets and braces (cometchat.com/docs/rest-api, read on 2026-11-27).
const documented = {
  user: ['--request', 'POST', '--url', `${VENDOR}/v3/users`, '--header', 'Content-Type: application/json',
    '--header', 'apikey: sk_cometchat-key-0123456789', '--data', '{ "uid": "jlahey", "name": "Jim Lahey" }'],
  token: ['--request', 'POST', '--url', `${VENDOR}/v3/users/jlahey/auth_tokens`, '--header', 'Content-Type: application/json',
    '--header', 'apikey: sk_cometchat-key-0123456789', '--data', '{ "force": true }'],
};
const curl = (line) => promisify(execFile)('curl', ['--silent', '--fail', ...line]);

await check("'cometchat': the vendor's documented commands and countersign send the same", async () => {
  const calls = () => asked.slice(-2).map(({ method, path, headers, body }) =>
    ({ method, path, type: headers['content-type'], credential: headers.apikey, body }));
  await curl(documented.user);
  await curl(documented.token);
  const expected = calls();
  const { token } = await ask('cometchat');
  assert.deepEqual(calls(), expected);
  assert.equal(token, 'vendor-token');
});

await check('every proof that a preset names as run here was run, and holds', async () => {
  const { stdout } = await promisify(execFile)(process.env.BIN, ['presets', '--json']);
  const named = JSON.parse(stdout).filter(({ evidence }) => ['vendor code', 'documented command'].includes(evidence));
  assert.deepEqual(named.filter(({ proof }) => !held.has(proof)).map(({ name, proof }) => `${name}: ${proof}`), []);
  assert.ok(named.length > 12);
});

server.closeAllConnections();
server.close();
finish();
