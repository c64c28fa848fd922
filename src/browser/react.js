import { createContext, createElement, useContext, useEffect, useMemo, useRef, useState } from 'react';
import { createTokenSource } from './countersign.js';
import { WAITING, follow } from './follow.js';

const Identity = createContext(null);

// The source is made in an effect: what a render makes and throws away would listen for ever. Strict mode's second mount
// gets a source of its own, after the first was stopped.
export function ChatIdentityProvider({ source: given, children, ...options }) {
  const [source, setSource] = useState(null);
  const [state, setState] = useState(WAITING);
  const { headers, env, ...plain } = options;
  const onDemand = typeof headers === 'function';
  const written = JSON.stringify([plain, onDemand || headers]);
  // A function is a new one with every render. The newest is called, and no source is made for it.
  const newest = useRef(headers);
  useEffect(() => {
    newest.current = headers;
  });

  useEffect(() => {
    const made = given ?? createTokenSource(onDemand ? { ...options, headers: () => newest.current() } : options);
    setSource(made);
    const off = follow(made, setState);
    return () => {
      off();
      setSource(null);
      setState(WAITING);
      if (!given) made.stop();
    };
  }, [given, written]);

  const value = useMemo(() => ({ ...state, source, ...actions(source) }), [state, source]);
  return createElement(Identity.Provider, { value }, children);
}

const NOT_YET = () => Promise.reject(new Error('countersign: the provider is not mounted yet'));

function actions(source) {
  const { getToken = NOT_YET, login = NOT_YET, logout = NOT_YET } = source ?? {};
  return { getToken, login, logout };
}

export function useToken() {
  const value = useContext(Identity);
  if (!value) throw new Error('countersign: useToken() needs a <ChatIdentityProvider> above it');
  return value;
}
