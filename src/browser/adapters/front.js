// Front Chat, for `connect(source, adapter, { init: { chatId: 'YOUR_CHAT_ID' } })`. The source needs `field: 'userHash'`.
export default {
  start: (seat) => seat.until((window) => window.FrontChat),
  token({ userId, userHash, email }, seat) {
    if (!seat.begun) seat.window.FrontChat('init', { ...seat.options.init, userId, userHash, email });
    seat.begun = true;
  },
  logout(seat) {
    seat.begun = false;
    seat.window.FrontChat?.('shutdown');
  },
};
