// The gallery: runs each vendor's documented snippet against its stand-in, asks the vendor's server what it makes of what
// was handed over, and then tries to get away with something else.

import { make, read, signed, write } from '/demo/kit.js';
import { standIns } from '/demo/standins.js';

const { mount, widgetServer, id, name, email, otherId, otherName, otherEmail } = document.documentElement.dataset;
const WAIT_MS = 8000;

// What the token endpoint answered last, for people to read. The snippets fetch as they always do.
let answered = null;
const plainFetch = window.fetch;
window.fetch = async (...args) => {
  const response = await plainFetch(...args);
  if (String(args[0]).startsWith(`${mount}/token/`)) answered = { status: response.status, answer: await response.clone().json() };
  return response;
};

// What the vendor's script was given by the page's call.
const called = (vendor) => new Promise((done, fail) => {
  const timer = setTimeout(() => fail(new Error('The page’s call came to nothing.')), WAIT_MS);
  standIns[vendor]((given) => {
    clearTimeout(timer);
    done(given);
  }, { id, name });
  const script = make('script', { src: `/demo/snippet/${vendor}.js` });
  script.onload = () => script.remove();
  document.head.append(script);
});

async function ask(vendor, given) {
  const response = await plainFetch(`${widgetServer}/vendors/${vendor}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    credentials: 'omit',
    body: JSON.stringify(given),
  });
  return { ok: response.ok, ...(await response.json()) };
}

const swapped = (value) => JSON.parse(JSON.stringify(value)
  .replaceAll(id, otherId).replaceAll(name, otherName).replaceAll(email, otherEmail));

const spoilt = (text) => `${text.slice(0, -1)}${text.endsWith('0') ? '1' : '0'}`;

// The members that hold the proof itself; everything else says who the visitor is, or is a value of the page's.
const PROOFS = ['intercom_user_jwt', 'token', 'identifier_hash', 'signature', 'auth', 'identificationToken'];
const proofOf = (given) => PROOFS.find((member) => member in given);
const beside = (given) => swapped(Object.fromEntries(Object.entries(given).filter(([member]) => member !== proofOf(given))));

// What somebody would try who has a proof of their own, or none: [what it is, what the vendor's server is shown].
const FORGERIES = {
  async token(given) {
    const member = proofOf(given);
    const { header, claims } = read(given[member]);
    const [head, , signature] = given[member].split('.');
    const lie = (token) => ({ ...beside(given), [member]: token });
    const tries = [
      [`${otherName}’s id written into the token`, lie(`${head}.${write(swapped(claims))}.${signature}`)],
      ['Signed with a guessed secret', lie(await signed('password123', header, swapped(claims)))],
      ['No signature at all, “alg”: “none”', lie(`${write({ ...header, alg: 'none' })}.${write(swapped(claims))}.`)],
    ];
    const others = Object.keys(beside(given)).length > 0;
    return others ? [...tries, [`The true token beside ${otherName}’s id`, { ...beside(given), [member]: given[member] }]] : tries;
  },

  digest(given) {
    const member = proofOf(given);
    const tries = [
      [`The true digest beside ${otherName}’s id`, { ...beside(given), [member]: given[member] }],
      ['One character of the digest changed', { ...given, [member]: spoilt(given[member]) }],
    ];
    return 'socket_id' in given ? [...tries, ['The true digest on another connection', { ...given, socket_id: '1.2' }]] : tries;
  },

  exchange(given) {
    const member = proofOf(given);
    const tries = [['A token that somebody made up', { ...given, [member]: spoilt(given[member]) }]];
    const others = Object.keys(beside(given)).length > 0;
    return others ? [...tries, [`The true token beside ${otherName}’s id`, { ...beside(given), [member]: given[member] }]] : tries;
  },
};

const WORDS = { believed: 'Believed', refused: 'Refused', accepted: 'Accepted', note: 'Note' };

function result(card, verdict, what, why) {
  card.querySelector('.results').append(make('li', { 'data-verdict': verdict },
    make('span', { class: 'what' }, what), make('strong', {}, WORDS[verdict]), make('span', { class: 'why' }, why)));
}

const pretty = (value) => JSON.stringify(value, null, 2);

function show(card, given) {
  card.querySelector('.outcome').hidden = false;
  card.querySelector('.answer').textContent = answered ? `${answered.status}\n${pretty(answered.answer)}` : 'none';
  card.querySelector('.given').textContent = pretty(given);
}

// The vendor's snippet, and what the vendor's server says. Whoever is not signed in hands over no proof.
async function call(card) {
  const { vendor } = card.dataset;
  answered = null;
  const given = await called(vendor);
  show(card, given);
  if (answered?.status !== 200) {
    result(card, 'note', 'The page’s call', 'Nobody is signed in: no proof was handed over, and the chat stays anonymous.');
    return null;
  }
  const { ok, visitor, reason } = await ask(vendor, given);
  const who = [visitor?.name, visitor?.id].filter(Boolean).join(', ');
  result(card, ok ? 'believed' : 'refused', 'The page’s call', ok ? `This is ${who}.` : reason);
  return given;
}

async function forge(card) {
  const given = await call(card);
  if (!given) return;
  const { vendor, mechanism } = card.dataset;
  for (const [what, shown] of await FORGERIES[mechanism](given)) {
    const { ok, reason } = await ask(vendor, shown);
    result(card, ok ? 'accepted' : 'refused', what, ok ? 'This stand-in must never say so.' : reason);
  }
}

// One at a time: snippets of several vendors define the same names.
let turn = Promise.resolve();

const run = (card, what) => (turn = turn.then(async () => {
  card.setAttribute('aria-busy', 'true');
  card.querySelector('.results').replaceChildren();
  await what(card).catch((error) => result(card, 'note', 'It did not work', error.message));
  card.removeAttribute('aria-busy');
}));

const cards = [...document.querySelectorAll('[data-vendor]')];
for (const card of cards) {
  card.querySelector('.call').addEventListener('click', () => run(card, call));
  card.querySelector('.forge').addEventListener('click', () => run(card, forge));
}
document.getElementById('all').addEventListener('click', () => { for (const card of cards) run(card, forge); });
