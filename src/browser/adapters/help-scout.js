// Help Scout Beacon. The source needs `field: 'signature'`.
export default {
  start: (seat) => seat.until((window) => window.Beacon),
  token: ({ name, email, signature }, { window }) => window.Beacon('identify', { name, email, signature }),
  logout: ({ window }) => window.Beacon?.('logout'),
};
