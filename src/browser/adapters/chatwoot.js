// Chatwoot. The source needs `field: 'identifier_hash'`.
export default {
  start: (seat) => seat.until((window) => window.$chatwoot?.setUser),
  token: ({ identifier, name, email, identifier_hash }, { window }) =>
    window.$chatwoot.setUser(identifier, { name, email, identifier_hash }),
  logout: ({ window }) => window.$chatwoot?.reset(),
};
