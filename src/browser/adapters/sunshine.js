// Sunshine Conversations, after the page's `Smooch.init`.
export default {
  start: (seat) => seat.until((window) => window.Smooch?.login),
  token: ({ external_id, token }, { window }) => window.Smooch.login(external_id, token),
  logout: ({ window }) => window.Smooch?.logout(),
};
