// Tawk.to, known by the e-mail address. The source needs `field: 'hash'`.
const refused = (window) => (error) => error && window.console.warn('Tawk refused', error);

export default {
  start: (seat) => seat.until((window) => window.Tawk_API?.setAttributes),
  token: ({ name, email, hash }, { window }) => window.Tawk_API.setAttributes({ name, email, hash }, refused(window)),
  logout: ({ window }) => window.Tawk_API?.logout?.(refused(window)),
};
