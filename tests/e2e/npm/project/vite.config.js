import vue from '@vitejs/plugin-vue';

const pages = ['main', 'agent', 'calls', 'react', 'vue'];

export default {
  plugins: [vue()],
  // Without it a strict policy would forbid what is written into the page.
  build: { modulePreload: { polyfill: false }, rolldownOptions: { input: pages.map((name) => `${name}.html`) } },
};
