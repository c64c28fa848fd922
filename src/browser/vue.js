import { computed, hasInjectionContext, inject, onScopeDispose, provide, shallowRef } from 'vue';
import { createTokenSource } from './countersign.js';
import { WAITING, follow } from './follow.js';

const IDENTITY = Symbol('countersign');

// With options it makes a source, for this component and all below it; without, it is that of a component above.
export function useToken(options) {
  if (options) return begin(options);
  const found = hasInjectionContext() ? inject(IDENTITY, null) : null;
  if (!found) throw new Error('countersign: useToken() needs options, here or in a component above');
  return found;
}

function begin({ source: given, ...options }) {
  const state = shallowRef(WAITING);
  // A server renders for nobody in particular.
  const source = given ?? (typeof document === 'undefined' ? null : createTokenSource(options));
  if (source) {
    const off = follow(source, (next) => { state.value = next; });
    onScopeDispose(() => {
      off();
      state.value = WAITING;
      if (!given) source.stop();
    });
  }
  const part = (name) => computed(() => state.value[name]);
  const { getToken, login, logout } = source ?? {};
  const shown = { status: part('status'), token: part('token'), answer: part('answer'), error: part('error') };
  const identity = { ...shown, source, getToken, login, logout };
  if (hasInjectionContext()) provide(IDENTITY, identity);
  return identity;
}
