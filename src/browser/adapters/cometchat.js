// CometChat, after the page's `CometChat.init`. A token begins a session, which does not need the next one.
export default {
  start: (seat) => seat.until((window) => window.CometChat?.login),
  async token({ token }, seat) {
    if (!seat.begun) await seat.window.CometChat.login(token);
    seat.begun = true;
  },
  logout(seat) {
    seat.begun = false;
    return seat.window.CometChat?.logout();
  },
};
