// Featurebase, for `connect(source, adapter, { boot: { appId: 'YOUR_APP_ID' } })`.
export default {
  start: (seat) => seat.until((window) => window.Featurebase),
  token({ token }, seat) {
    if (!seat.booted) seat.window.Featurebase('boot', { ...seat.options.boot, featurebaseJwt: token });
    seat.booted = true;
  },
  logout(seat) {
    seat.booted = false;
    seat.window.Featurebase?.('shutdown');
  },
};
