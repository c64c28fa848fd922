// Kustomer, after the page's `Kustomer.start`.
export default {
  start: (seat) => seat.until((window) => window.Kustomer?.login),
  token: ({ token }, { window }) => window.Kustomer.login({ jwtToken: token }, () => {}),
  logout: ({ window }) => window.Kustomer?.logout?.(),
};
