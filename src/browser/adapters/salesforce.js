// Salesforce Messaging for Web: a token for every page load, and another one within half a minute of its expiry event.
const api = (window) => window.embeddedservice_bootstrap?.userVerificationAPI;

export default {
  async start(seat) {
    await seat.until(api);
    const anew = () => seat.gone() || seat.source.getToken({ force: true }).catch(() => {});
    seat.window.addEventListener('onEmbeddedMessagingIdentityTokenExpired', anew);
  },
  token: ({ token }, { window }) => api(window).setIdentityToken({ identityTokenType: 'JWT', identityToken: token }),
  logout: ({ window }) => api(window)?.clearSession(),
};
