// Dynamics 365 asks for a token whenever a chat begins, once it knows whom to ask.
const sdk = (window) => window.Microsoft?.Omnichannel?.LiveChatWidget?.SDK;

export default {
  start: (seat) => seat.until(sdk),
  token(answer, { window, source }) {
    sdk(window).setAuthTokenProvider((give) => source.getToken().then(give, () => give(null)));
  },
  logout: ({ window }) => sdk(window)?.removeAuthTokenProvider(),
};
