// The four attacks, tried in earnest.

import { make, read, signed, write } from '/demo/kit.js';
import { heldToken, onEvent } from '/demo/scenes.js';

const { mount, stranger, agent } = document.documentElement.dataset;
const chosen = () => document.querySelector('input[name=widget]:checked');

function result(list, verdict, what, why) {
  const word = { refused: 'Refused', accepted: 'Accepted', note: 'Note' }[verdict];
  list.append(make('li', { 'data-verdict': verdict },
    make('span', { class: 'what' }, what), make('strong', {}, word), make('span', { class: 'why' }, why)));
}

// One attempt at a time, and a failure of ours is not shown as a refusal of theirs.
function attempt(id, run) {
  const card = document.getElementById(id);
  const button = card.querySelector('button');
  const list = card.querySelector('.results');
  button.addEventListener('click', async () => {
    button.disabled = true;
    list.replaceChildren();
    try {
      await run(list, card);
    } catch (error) {
      result(list, 'note', 'The attempt itself failed', error.message);
    }
    button.disabled = false;
  });
}

// Conversations of the attempts, which are not the visitor's chat.
export const attempted = new Set();

// The agent is met in a conversation, and a conversation costs a login: the visitor's own, or a thief's.
async function conversation(thief) {
  const response = await fetch(thief ? `/demo/thief/${agent}` : `${mount}/token/${agent}`, { method: 'POST' });
  if (!response.ok) return null;
  const { connectorToken, domain } = await response.json();
  const call = async (path, content) => {
    const answer = await fetch(`${domain}/conversations${path}`, {
      method: content ? 'POST' : 'GET',
      headers: { Authorization: `Bearer ${connectorToken}`, 'Content-Type': 'application/json' },
      body: content && JSON.stringify(content),
    });
    return answer.json();
  };
  const { conversationId } = await call('', {});
  attempted.add(conversationId);
  const post = async (activity) => {
    await call(`/${conversationId}/activities`, activity);
    return (await call(`/${conversationId}/activities`)).activities;
  };
  return { post };
}

async function presentToAgent(list, what, token, { thief }, accepted) {
  const own = await conversation(thief);
  if (!own) return result(list, 'refused', what, 'Nobody is signed in, so there is no conversation to say it in.');
  const activities = await own.post({ type: 'invoke', name: 'InitConversation', value: { jsonWebToken: token } });
  const reply = activities.findLast(({ from }) => from?.role === 'bot').text;
  const believed = reply.includes('is verified');
  return result(list, believed ? 'accepted' : 'refused', what, believed ? accepted : `The agent says: “${reply}”`);
}

async function speakAsAnother(list) {
  const own = await conversation();
  if (!own) return;
  const [{ from }] = await own.post({ type: 'message', text: 'It is me, Zoë.', from: { id: 'dl_somebody-else', role: 'user' } });
  const verdict = from.id === 'dl_somebody-else' ? 'accepted' : 'refused';
  result(list, verdict, 'A message under another patient’s id', `Direct Line wrote the visitor’s own over it: ${from.id.slice(0, 14)}…`);
}

async function present(list, what, token, more, accepted) {
  if (chosen().value === agent) return presentToAgent(list, what, token, more, accepted);
  const answer = await window.standin.ask({ do: 'identify', widget: chosen().value, token, ...more });
  if (answer.ok) result(list, 'accepted', what, accepted);
  else result(list, 'refused', what, answer.reason);
  return answer.ok;
}

function invented() {
  const now = Math.floor(Date.now() / 1000);
  const server = document.documentElement.dataset.widgetServer;
  return { iss: location.origin + mount, aud: server, iat: now, nbf: now, exp: now + 600, jti: 'invented' };
}

attempt('try-forged', async (list) => {
  const token = heldToken();
  const mine = { ...(token ? read(token).claims : invented()), name: 'Zoë Okafor', sub: 'P31188', external_id: 'P31188' };
  if (chosen().value === agent) Object.assign(mine, { userId: 'dl_somebody-else', userName: 'Zoë Okafor' });
  const lie = 'This stand-in must never say so.';
  if (token) {
    const [header, , signature] = token.split('.');
    await present(list, 'My own token, with another patient’s number written into it', `${header}.${write(mine)}.${signature}`, {}, lie);
  }
  await present(list, 'No signature at all, “alg”: “none”', `${write({ alg: 'none', typ: 'JWT' })}.${write(mine)}.`, {}, lie);
  const shared = chosen().dataset.algorithm.startsWith('HS');
  if (shared) {
    const guessed = await signed('password123', { alg: 'HS256', typ: 'JWT' }, mine);
    await present(list, 'Signed with a guessed secret', guessed, {}, lie);
    if (chosen().value === agent) await speakAsAnother(list);
  } else {
    const keys = await (await fetch(`${mount}/.well-known/jwks.json`)).text();
    const { kid } = JSON.parse(keys).keys[0];
    const confused = await signed(keys, { alg: 'HS256', typ: 'JWT', kid }, mine);
    await present(list, 'Signed with the public key, as if it were a shared secret', confused, {}, lie);
  }
});

attempt('try-stolen', async (list) => {
  const token = heldToken();
  if (!token) {
    result(list, 'note', 'There is no token to steal', 'Sign in first. Who is not logged in has none.');
    return;
  }
  const seconds = Math.max(0, Math.round(read(token).claims.exp - Date.now() / 1000));
  if (chosen().value === agent) {
    const bound = `It names one visitor, so it is believed only in a conversation that is bound to the same one, for ${seconds} seconds more. The conversation’s own token is in it: whoever holds a copy can read along for as long. That is why both are short.`;
    await present(list, 'The copy, shown by another patient in a conversation of their own', token, { thief: true }, 'This stand-in must never say so.');
    await present(list, 'The copy, in another conversation of this visitor’s', token, {}, bound);
    return;
  }
  const format = `This vendor’s format has no token id, so a copy works until it expires, for ${seconds} seconds more. That is why tokens are short.`;
  await present(list, 'The copy, used on another device now', token, {}, format);
  await present(list, 'The copy, a second after its time', token, { after_expiry: true }, 'This stand-in must never say so.');
});

attempt('try-plain', async (list) => {
  const response = await fetch('/demo/plain-http', { method: 'POST' });
  const { from, status, code, detail, start } = await response.json();
  const verdict = status === 403 ? 'refused' : 'accepted';
  result(list, verdict, `A page of ${from} asks for a token`, `${status} ${code}: ${detail}.`);
  result(list, start ? 'refused' : 'accepted', 'An operator points countersign at a session endpoint without https', `It does not start. ${start}`);
});

const soon = (ms) => new Promise((done) => { setTimeout(done, ms); });

attempt('try-foreign', async (list, card) => {
  const reasons = [];
  const off = onEvent((event) => event.outcome === 'refused' && reasons.push(event));
  const frame = make('iframe', { title: 'A foreign site in this browser', src: `${stranger}/`, sandbox: 'allow-scripts allow-same-origin' });
  const told = new Promise((done) => {
    window.addEventListener('message', function hear({ origin, source, data }) {
      if (origin !== stranger || source !== frame.contentWindow) return;
      window.removeEventListener('message', hear);
      done(data);
    });
  });
  card.querySelector('.frame').replaceChildren(frame);
  const attempts = await Promise.race([told, soon(8000).then(() => null)]);
  await soon(400);
  off();
  if (!attempts) throw new Error('The foreign page did not answer.');
  for (const { what, got, server, reason } of attempts) {
    const record = reasons.find((event) => event.actor === server && (!reason || event.detail?.reason === reason));
    if (record) reasons.splice(reasons.indexOf(record), 1);
    result(list, got ? 'accepted' : 'refused', what, record ? record.text : 'The browser withheld the answer.');
  }
});
