// HubSpot. The page sets `window.hsConversationsSettings = { loadImmediately: false }` before the vendor's script.
export default {
  start: (seat) => seat.until((window) => window.HubSpotConversations?.widget),
  token({ email, token }, seat) {
    const { window } = seat;
    window.hsConversationsSettings = { ...window.hsConversationsSettings, identificationEmail: email, identificationToken: token };
    if (!seat.shown) window.HubSpotConversations.widget.load();
    seat.shown = true;
  },
  logout(seat) {
    seat.shown = false;
    delete seat.window.hsConversationsSettings?.identificationToken;
    seat.window.HubSpotConversations?.clear({ resetWidget: true });
  },
};
