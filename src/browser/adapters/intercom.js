// Intercom, for `connect(source, adapter, { boot: { app_id: 'YOUR_APP_ID' } })`. The token is looked at when it boots; what is renewed
// afterwards is kept for the next page.
export default {
  start: (seat) => seat.until((window) => window.Intercom),
  token({ token }, seat) {
    if (!seat.booted) seat.window.Intercom('boot', { ...seat.options.boot, intercom_user_jwt: token });
    seat.booted = true;
  },
  logout(seat) {
    seat.booted = false;
    seat.window.Intercom?.('shutdown');
  },
};
