// What a component shows of a source: one frozen state after each event. Shared by react.js and vue.js.

const NOTHING = { token: null, answer: null, error: null };
export const WAITING = Object.freeze({ status: 'waiting', ...NOTHING });

// No timer of a browser is longer.
const LONGEST_MS = 2 ** 31 - 1;

function after(state, { type, answer, error, withdrawn }) {
  if (answer) return { status: 'ready', token: answer.token ?? null, answer, error: null };
  if (type === 'logout' || type === 'login_required') return { status: 'logged_out', ...NOTHING, error: error ?? null };
  // An outage does not take away a token that still lives.
  return withdrawn || state.status !== 'ready' ? { status: 'failed', ...NOTHING, error } : { ...state, error };
}

const refused = (error) =>
  ['login_required', 'logged_out'].includes(error.code) ? { type: 'login_required', error } : { type: 'error', error, withdrawn: true };

// Tells every state from now on; returns the function that ends it.
export function follow(source, tell) {
  let state = WAITING;
  let open = true;
  let timer;

  function set(next) {
    state = Object.freeze(next);
    clearTimeout(timer);
    if (state.answer) timer = setTimeout(lapse, Math.min(state.answer.expires_in * 1000, LONGEST_MS));
    tell(state);
  }

  // Nothing that has expired is shown, whatever became of its renewal.
  function lapse() {
    if (source.current()) timer = setTimeout(lapse, 1000);
    else set({ status: state.error ? 'failed' : 'waiting', ...NOTHING, error: state.error });
  }

  const off = source.subscribe((event) => set(after(state, event)));
  // A source that was refused before keeps quiet: its reason is asked for.
  if (!source.current()) {
    source.getToken().catch((error) => open && state === WAITING && set(after(state, refused(error))));
  }
  return () => {
    open = false;
    clearTimeout(timer);
    off();
  };
}
