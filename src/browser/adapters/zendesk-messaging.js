// Zendesk Messaging asks for a token whenever it needs one, once it knows whom to ask.
export default {
  start: (seat) => seat.until((window) => window.zE),
  token(answer, seat) {
    if (seat.asked) return;
    seat.asked = true;
    const refused = (error) => error && seat.window.console.warn('Zendesk refused the login', error);
    seat.window.zE('messenger', 'loginUser', (give) => seat.source.getToken().then(give, () => {}), refused);
  },
  logout(seat) {
    if (seat.asked) seat.window.zE('messenger', 'logoutUser');
    seat.asked = false;
  },
};
