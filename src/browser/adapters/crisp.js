// Crisp. The source needs `field: 'signature'`.
export default {
  token({ email, signature }, { window }) {
    (window.$crisp ??= []).push(['set', 'user:email', [email, signature]]);
  },
  logout({ window }) {
    window.$crisp?.push(['do', 'session:reset']);
  },
};
