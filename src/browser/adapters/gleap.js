// Gleap. The source needs `field: 'userHash'`.
export default {
  start: (seat) => seat.until((window) => window.Gleap?.identify),
  token: ({ userId, name, email, userHash }, { window }) => window.Gleap.identify(userId, { name, email }, userHash),
  logout: ({ window }) => window.Gleap?.clearIdentity(),
};
